"""`/dashboard/playground`."""
