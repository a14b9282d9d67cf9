"""The pages: server-rendered HTML over the store's read side and the live view, followed by server-sent events.

Everything is injected (`dashboard.deps.DashboardDeps`); imports `telemetry` and never `gateway`. Start at `router`.
"""
