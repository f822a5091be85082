-- Tells where activities stand, and has the ends of those that have not ended told on their own channels.
-- KEYS 1 meta HASH
-- ARGV 1+ ids
-- RETURNS {state or nil, outcome or nil} of each, flat
-- RULE docs/architecture.md, "Waiting for a result": subscribe, then watch
-- USES start
local ENDED = {completed = true, cancelled = true, dead_letter = true}
local replies = {}
for _, id in ipairs(ARGV) do
  local key = root .. '@activity@' .. id
  local found = redis.pcall('HMGET', key, 'st', 'out', 'ty')
  local state, out = found[1], found[2]
  if found.err then state, out = false, false end
  if state and not ENDED[state] then
    out = false
    -- A full server may refuse the mark; the waiter looks again every few seconds.
    redis.pcall('HSETNX', key, 'watch', 1)
    if state ~= 'running' and found[3] and type(redis.pcall('ZSCORE', root .. '@ready@' .. found[3], id)) == 'string' then
      state = 'pending'
    end
  end
  replies[#replies + 1] = state
  replies[#replies + 1] = out
end
return replies
