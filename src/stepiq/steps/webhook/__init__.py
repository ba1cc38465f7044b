"""`webhook`: sends an HTTP request."""
