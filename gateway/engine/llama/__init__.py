"""llama.cpp behind our Protocols: the only code that imports llama_cpp."""
