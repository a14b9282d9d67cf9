"""One folder per page: what it reads and shows (`view`), what its template gets (`context`), and its templates."""
