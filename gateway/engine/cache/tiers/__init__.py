"""Where states of prefixes are held: one file for each tier, behind one Protocol (`tier.py`)."""
