"""The pages: what they say, what they never say, and how they are addressed."""
