"""`transform`: computes data from data."""
