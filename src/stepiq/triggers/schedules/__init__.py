"""Schedules: what starts runs by the clock."""
