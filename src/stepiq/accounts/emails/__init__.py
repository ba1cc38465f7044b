"""Emails about accounts, and what their links do: verification and password resets."""
