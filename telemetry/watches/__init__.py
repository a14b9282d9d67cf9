"""Tasks that look at the store now and then and tell what changed."""
