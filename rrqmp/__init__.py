"""rrqmp: CPU-bound activities out of Redis, in worker processes that a supervisor can kill."""
