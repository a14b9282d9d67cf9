"""OpenTelemetry over OTLP: settings, providers, exporters, logs."""
