"""Routes with which administrators watch the server."""
