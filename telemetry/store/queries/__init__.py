"""The read side of the store: what pages ask, each in a bounded number of bounded queries.

Owns no connection: every function takes the reader's AsyncEngine. Knows nothing of HTTP or of pages.

Errors:
    StoreUnreadable     the database did not answer, or not in time
"""
