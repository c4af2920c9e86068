"""Arrays and sequences on disk that need not fit in memory."""
