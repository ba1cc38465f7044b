"""Deliveries of a run's result: signed webhooks and emails, retried until they arrive or no attempt is left."""
