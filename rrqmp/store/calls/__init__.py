"""One module a script: the types it speaks in, its arguments, the reading of its reply."""
