"""Model files: where they are and whether they can be loaded. Nothing here imports llama.cpp."""
