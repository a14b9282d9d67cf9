"""Roll-ups: minutes written with each request, and longer spans merged from them."""
