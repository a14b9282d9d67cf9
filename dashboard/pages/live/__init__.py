"""`/dashboard/live`."""
