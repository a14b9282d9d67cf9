"""Charts as geometry. Pure."""
