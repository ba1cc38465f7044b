"""How the fields of a definition are described and read."""
