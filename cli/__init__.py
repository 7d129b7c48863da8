"""The commands, one module each; `cli.main` chooses."""
