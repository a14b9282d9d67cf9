"""The durable sink: requests, their phases, engine
configurations and minute roll-ups in SQLite or PostgreSQL.
"""
