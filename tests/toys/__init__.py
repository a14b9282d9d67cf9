"""Toys on the other side of each seam, which prove that adding one takes a folder or a file and a line of
registration.
"""
