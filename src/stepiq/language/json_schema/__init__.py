"""The JSON Schema of documents, for editors. It accepts every valid document; the readers check the rest."""
