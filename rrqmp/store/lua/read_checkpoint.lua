-- What an earlier attempt, or this one, has stored.
-- KEYS 1 meta HASH
-- ARGV 1 id
-- RETURNS the checkpoint or nil
-- RULE docs/architecture.md, "Keys": kept over attempts, gone with the end
-- USES start
local found = redis.pcall('HGET', root .. '@activity@' .. ARGV[1], 'check')
return type(found) == 'string' and found
