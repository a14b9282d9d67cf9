"""`/dashboard/requests`."""
