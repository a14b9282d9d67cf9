"""`/dashboard/settings`."""
