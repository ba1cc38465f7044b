"""What starts runs by itself: inbound webhooks, schedules."""
