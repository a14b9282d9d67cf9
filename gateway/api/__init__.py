"""HTTP: one file per API family, schemas, streaming, and the guards in front."""
