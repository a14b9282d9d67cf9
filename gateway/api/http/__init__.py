"""What every route shares: the exchange, guards, bodies, responses, streams and errors."""
