"""`/dashboard`."""
