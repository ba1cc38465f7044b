"""What a workspace may use: plans, quotas, limits of runs, and usage."""
