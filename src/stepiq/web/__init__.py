"""What every endpoint shares: services, transactions, bodies, pages, problems, and the guard before them all."""
