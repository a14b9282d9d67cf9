"""One folder per page: its registration (`page`), what it reads (`view`), what its template gets (`context`), its templates."""
