-- Tells where activities stand, ends those that have expired, and has the ends of the others told on their own channels.
-- KEYS 1 meta HASH
-- ARGV 1 packed rules (StoreRules.packed)
-- ARGV 2+ ids
-- RETURNS {state or nil, outcome or nil} of each, flat
-- RULE docs/architecture.md, "Waiting for a result": subscribe, then watch
-- USES start rules gates wake ledger record wishes finish withdraw expiry
load_rules(ARGV[1])
local ENDED = {completed = true, cancelled = true, dead_letter = true}
local replies, alive, ids, lapsed = {}, {}, {}, {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local found = redis.pcall('HMGET', root .. '@activity@' .. id, 'st', 'out', 'ty', 'exp')
  local state, out = found[1], found[2]
  if found.err then state, out = false, false end
  if state and not ENDED[state] then
    out = false
    -- Where no supervisor serves the queue, its waiters are the only ones to notice.
    if found[4] and has_lapsed(read(id, true)) then
      local record = read(id)
      call('EXISTS', root .. '@expiries@', root .. '@scheduled@', root .. '@ready@' .. record[TY])
      if not lapsed[id] then ids[#ids + 1] = id end
      lapsed[id] = record
      state, out = 'cancelled', line('expired', record, '')
    else
      alive[#alive + 1] = id
      if state ~= 'running' and found[3] and type(redis.pcall('ZSCORE', root .. '@ready@' .. found[3], id)) == 'string' then
        state = 'pending'
      end
    end
  end
  replies[#replies + 1] = state
  replies[#replies + 1] = out
end

if ids[1] then
  expire(ids, lapsed)
  index_ends()
  pay()
end
-- A full server may refuse the mark; the waiter looks again every few seconds.
for _, id in ipairs(alive) do redis.pcall('HSETNX', root .. '@activity@' .. id, 'watch', 1) end
return replies
