"""`/dashboard/conversations`."""
