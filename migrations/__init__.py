"""Alembic migrations of the store; a package, so that an installed firsttoken finds them."""
