"""What proves who calls: API keys, tokens, passwords and cookies. It knows no rows."""
