"""Email recipients who are not members of the workspace. Each is asked by email to confirm or refuse."""
