"""One folder per page: its registration, what it reads (`view`), what its template gets (`context`)."""
