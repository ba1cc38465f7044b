"""The pages `/docs`, `/docs/errors` and `/docs/steps`. They are generated from the code and need no JavaScript and no network."""
