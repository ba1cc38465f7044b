"""Where everything is kept: sessions, tables, migrations, and word of what has changed."""
