"""Telemetry: events, one record per request, and the sinks that keep it.

Imports nothing of ours. `events`, `record` and `recorder` are free of OpenTelemetry and SQLAlchemy, so that
the engine process may import them; everything else here is loaded by the gateway only.
"""
