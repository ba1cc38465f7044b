"""Logs, metrics, trace context, and the watchdog of the event loop."""
