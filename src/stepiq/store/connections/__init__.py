"""The drivers of SQLite and PostgreSQL, who waits for a connection, and why one is refused."""
