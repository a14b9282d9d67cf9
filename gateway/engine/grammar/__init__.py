"""Constrained decoding: what may be said as data, compiled by llguidance, and asked for each token that is
sampled.
"""
