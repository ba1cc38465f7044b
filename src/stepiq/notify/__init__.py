"""What leaves after a run: signed webhooks to other systems, mail to people, tried again until they arrive."""
