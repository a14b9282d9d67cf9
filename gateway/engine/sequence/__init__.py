"""One request inside the engine, from admission to its last token, in parts by what they are about."""
