"""`/dashboard/conversations`, and one of them."""
