"""`code`: runs the author's code in the sandbox."""
