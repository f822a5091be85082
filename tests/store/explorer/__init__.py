"""The fault explorer: random moves over the real scripts, with every invariant checked after every call."""
