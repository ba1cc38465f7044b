"""`stepiq pull`, `plan` and `apply`: a folder of pipelines and the server that has them."""
