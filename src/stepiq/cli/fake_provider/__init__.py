"""`stepiq dev fake-provider`: a model server without a model."""
