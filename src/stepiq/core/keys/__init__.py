"""Keys of the server: files in the data folder, encryption and signed tokens."""
