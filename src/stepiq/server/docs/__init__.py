"""The API's own pages, `/docs` and `/docs/errors`: made once from the code, readable without JavaScript or a network."""
