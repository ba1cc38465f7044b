"""`llm`: calls a model."""
