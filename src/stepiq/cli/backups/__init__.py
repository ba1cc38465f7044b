"""`stepiq backup` and `stepiq restore`: everything that a server keeps, in one file."""
