"""`/dashboard/health`."""
