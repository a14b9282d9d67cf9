"""Tests of `gateway/engine/grammar`."""
