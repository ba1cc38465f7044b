"""`condition`: chooses the next step."""
