"""`human_review`: waits for a person's decision."""
