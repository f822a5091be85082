-- Publishes how far running attempts are.
-- KEYS 1 meta HASH
-- ARGV 1+ items of 3: id, token, progress
-- RETURNS how many of them still run under their token and were stored
-- RULE docs/architecture.md, "Scripts": the token decides; a full server refuses it without an error
-- USES start record
local stored = 0
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  if runs(read(id), ARGV[i + 1])
    and type(redis.pcall('HSET', root .. '@activity@' .. id, 'prog', ARGV[i + 2], 'more', 1)) == 'number' then
    stored = stored + 1
  end
end
return stored
