"""What commands write: text, tables, live progress and errors."""
