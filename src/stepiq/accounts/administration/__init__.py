"""Administration of users by administrators of the server: find, disable, delete, reset, verify, make administrator."""
