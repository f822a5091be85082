"""All that speaks to Redis: keys, scripts with one typed call each, connections, notices, the embedded server."""
