"""`wait`: waits for a duration or until a time."""
