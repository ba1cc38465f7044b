"""Queries of accounts, one module for each kind of row."""
