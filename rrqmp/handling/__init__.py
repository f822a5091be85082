"""The contract with user code: handlers, their registry, the context they get, one guarded invocation."""
