"""One module per page: what it reads, what it shows, and which of its blocks follow along live."""
