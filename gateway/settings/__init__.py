"""Settings: sections, where values come from, and what they mean for engines, store and pages."""
