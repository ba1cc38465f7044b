"""Language models: which there are, what they cost, and how each is spoken to."""
