"""What accounts read and write, a module for each kind of thing."""
