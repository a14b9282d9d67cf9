"""Between the API and the engines: admission, routing, supervision, and one handle per engine."""
