"""Reviews: what waits for a person, by whom it is decided, with an account or by the link of a mail."""
