"""Tests of `gateway/engine/cache/disk`."""
