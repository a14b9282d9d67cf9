"""The prefix cache: one radix tree over token ids, and the tiers that hold what was computed."""
