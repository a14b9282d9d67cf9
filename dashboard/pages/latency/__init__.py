"""`/dashboard/latency`."""
