-- The children of an activity that are still known, in the order of their submission.
-- KEYS 1 meta HASH
-- ARGV 1 id of the parent
-- ARGV 2 number of the first one, from 0
-- ARGV 3 most to list (number)
-- RETURNS ids
-- RULE docs/architecture.md, "Keys"
-- USES start
local listed = redis.pcall('ZRANGE', root .. '@children@' .. ARGV[1], ARGV[2], ARGV[2] + ARGV[3] - 1)
return listed.err and {} or listed
