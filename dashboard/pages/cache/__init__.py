"""`/dashboard/cache`."""
