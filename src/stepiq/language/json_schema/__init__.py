"""The JSON Schema of documents, for editors: what the readers accept, it accepts; what needs a reader stays with them."""
