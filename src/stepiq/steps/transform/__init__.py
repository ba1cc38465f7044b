"""`transform`: makes data from data."""
