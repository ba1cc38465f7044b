"""The pipeline language: documents, templates and input schemas. Pure: no I/O, no clock, no store."""
