"""Tests of `gateway/engine/cache`."""
