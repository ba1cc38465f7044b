"""`wait`: waits for a time."""
