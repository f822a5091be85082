"""`PoolExecutor`: Python's own executor over a queue, whose calls can be killed."""
