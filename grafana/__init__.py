"""Dashboards and alerts as code: `python -m grafana.build` writes what Grafana and Prometheus load."""
