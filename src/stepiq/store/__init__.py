"""The store: sessions, tables, migrations, and notifications of changes."""
