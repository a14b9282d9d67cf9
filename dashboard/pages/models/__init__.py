"""`/dashboard/models`."""
