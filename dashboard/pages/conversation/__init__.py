"""`/dashboard/conversations/{conversation_id}`."""
