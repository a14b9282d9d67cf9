"""Messages → prompt text. Pure: no HTTP, no engine."""
