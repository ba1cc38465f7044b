"""Calls out of the process: each is an operation that goes through one chain of interceptors."""
