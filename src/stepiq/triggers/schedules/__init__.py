"""Schedules, which start runs at set times."""
