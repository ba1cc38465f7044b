"""`human_review`: asks a person."""
