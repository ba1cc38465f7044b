"""Who calls, with which rights, and how often they can fail."""
