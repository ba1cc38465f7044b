"""Which worker executes which run: tickets, leases of workers, and recovery."""
