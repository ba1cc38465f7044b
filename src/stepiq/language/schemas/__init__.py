"""JSON Schemas that users write: validated here, or in a process if the values are large."""
