"""Two-factor sign-in: codes of an authenticator app, and recovery codes."""
