"""Tests of `gateway/engine/cache/tiers`."""
