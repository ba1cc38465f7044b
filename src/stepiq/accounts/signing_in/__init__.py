"""Registration and sign-in with a password, and who takes over an unverified account."""
