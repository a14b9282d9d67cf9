"""Metrics: every instrument declared once, what is recorded of requests and engines, and the two backends."""
