"""Sends traces and metrics to an OpenTelemetry collector. Loaded only if the operator has set one."""
