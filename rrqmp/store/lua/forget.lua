-- Empties the records of what has ended and whose outcome its only reader has.
-- KEYS 1 meta HASH
-- ARGV 1+ ids
-- RETURNS how many were emptied
-- RULE docs/architecture.md, "Scripts": the id stays known for a minute, or a late resend of its enqueue would run it again
-- USES start
local KEPT_MS = 60000
local ENDED = {completed = true, cancelled = true}
local keys, ends, indexes = {}, {}, {}
for _, id in ipairs(ARGV) do
  local found = redis.pcall('HMGET', root .. '@activity@' .. id, 'st', 'more')
  if found[1] and ENDED[found[1]] then
    if found[2] then indexes[#indexes + 1] = root .. '@children@' .. id end
    keys[#keys + 1] = root .. '@activity@' .. id
    ends[#ends + 1] = us(now + KEPT_MS * 1000)
    ends[#ends + 1] = id
  end
end
for _, key in ipairs(keys) do
  call('HDEL', key, 'out', 'hist', 'err', 'prog')
  call('HSET', key, 'spec', '')
  call('PEXPIRE', key, KEPT_MS)
end
for _, index in ipairs(indexes) do redis.pcall('PEXPIRE', index, KEPT_MS) end
if keys[1] then redis.pcall('ZADD', root .. '@ended@', 'XX', unpack(ends)) end
return #keys
