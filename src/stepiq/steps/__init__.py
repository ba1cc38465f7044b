"""The built-in step types, one package each, registered by the entry points `stepiq.steps`."""
