"""`/dashboard/requests/{request_id}`."""
