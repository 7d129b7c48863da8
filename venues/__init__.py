"""One module per exchange dialect; nothing about a venue lives anywhere else."""
