"""The dashboard: server-rendered HTML over the store's read side and the live view, followed by server-sent events.

Everything is injected (`dashboard.deps.DashboardDeps`); it imports `telemetry` and never `gateway`. Start at
`page` (what a page is), `catalog` (all of them) and `router` (how they are served).
"""
