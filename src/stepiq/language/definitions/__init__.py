"""The parts of a definition, and how a text becomes one."""
