-- Leaves a node's description of itself, which ends with its lease.
-- KEYS 1 meta HASH
-- ARGV 1 node
-- ARGV 2 description (JSON)
-- ARGV 3 time to live (ms)
-- RETURNS nil
-- RULE docs/architecture.md, "Keys"
-- USES start
call('SET', root .. '@about@' .. ARGV[1], ARGV[2], 'PX', ARGV[3])
return false
