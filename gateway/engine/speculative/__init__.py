"""Speculative decoding: prompt lookup and a draft model, and whether they pay. Pure."""
