"""Tests of `telemetry` without its store."""
