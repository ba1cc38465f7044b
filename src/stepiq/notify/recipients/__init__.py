"""Recipients of email who are not members: each is asked once, and can confirm or refuse."""
