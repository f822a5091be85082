-- Stops claims of a type, or of all.
-- KEYS 1 meta HASH
-- ARGV 1 type, or * for all
-- RETURNS nil
-- RULE docs/architecture.md, "Scripts"
-- USES start
-- A full server refuses a script whose first write adds something, and then a pause is needed most.
call('HDEL', KEYS[1], '')
call('SADD', root .. '@paused@', ARGV[1])
return false
