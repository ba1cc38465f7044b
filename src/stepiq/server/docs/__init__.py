"""The pages `/docs` and `/docs/errors`. They are generated from the code and need no JavaScript and no network."""
