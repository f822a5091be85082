-- Stops claims of a type, or of all.
-- KEYS 1 meta HASH
-- ARGV 1 type, or * for all
-- RETURNS nil
-- RULE docs/architecture.md, "Scripts"
-- USES start
call('SADD', root .. '@paused@', ARGV[1])
return false
