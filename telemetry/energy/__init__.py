"""Energy: what counters of this machine say was used, and which request it was used for."""
