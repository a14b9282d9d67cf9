"""Roll-ups: minutes written with each request, and longer stretches merged from them."""
