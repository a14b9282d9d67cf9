"""Log lines: their form, the events that they are about, and lines of others."""
