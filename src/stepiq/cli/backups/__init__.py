"""`stepiq backup` and `stepiq restore`: all data of a server in one file."""
