-- Stores what an attempt wants its successors to know.
-- KEYS 1 meta HASH
-- ARGV 1 id
-- ARGV 2 token
-- ARGV 3 the checkpoint
-- RETURNS 1, or 0 where this token's attempt runs no more
-- RULE docs/architecture.md, "Scripts": the token decides, so that a late process overwrites nothing
-- USES start record
local id = ARGV[1]
if not runs(read(id), ARGV[2]) then return 0 end

call('HSET', root .. '@activity@' .. id, 'check', ARGV[3], 'more', 1)
return 1
