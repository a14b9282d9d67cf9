"""The command line: one module per verb; `main.py` puts them together."""
