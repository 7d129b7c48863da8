"""What is kept: the Store protocol, one module per database, and the spool."""
