"""Watches of objectives, speeds, model loads and the event loop."""
