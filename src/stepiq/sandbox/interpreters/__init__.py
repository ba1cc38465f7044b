"""The programs that execute code of users, one for each language, and what they print."""
