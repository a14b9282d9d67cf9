"""The dashboard: HTML made on the server of what is stored and of what runs, followed by server-sent events.

Everything is injected (`dashboard.deps.DashboardDeps`); it imports `telemetry` and never `gateway`. Start at
`page` (what a page is), `catalog` (all of them) and `router` (how they are served).
"""
