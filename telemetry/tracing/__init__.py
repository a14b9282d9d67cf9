"""Spans, built after the fact from the stamps of a record."""
