"""The cores that are really there, and the number of threads that fits them now."""
