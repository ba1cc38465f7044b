"""Which run starts or continues, and when."""
