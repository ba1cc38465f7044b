"""`parallel`: runs branches at the same time."""
