"""Messages → prompt text, and a model's text → content, reasoning and tool calls. Pure: no HTTP, no
engine.
"""
