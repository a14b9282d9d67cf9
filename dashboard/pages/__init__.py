"""One folder per page: registration (`page`), what it reads (`view`), what its template gets (`context`), templates."""
