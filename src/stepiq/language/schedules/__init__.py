"""Cron expressions and time zones."""
