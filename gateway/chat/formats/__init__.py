"""How model families write reasoning and tool calls: descriptions, and what is made of them. Pure data."""
