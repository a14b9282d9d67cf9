"""Alert and recording rules: what they say (`objectives`, `state`, `presence`, `recording`), and the files
that are written of them.
"""
