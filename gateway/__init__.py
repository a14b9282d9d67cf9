"""firsttoken's gateway: HTTP in front, one engine process per model behind, every phase measured."""
