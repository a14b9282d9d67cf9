"""A model's text → content, reasoning and tool calls, piece by piece. Pure: no HTTP, no engine."""
