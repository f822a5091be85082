-- Cancels a bite of an activity's children: those that wait end, those that run are asked to end.
-- KEYS 1 meta HASH
-- ARGV 1 id of the parent
-- ARGV 2 packed rules (StoreRules.packed)
-- ARGV 3 grace that a running handler gets (ms, empty for its node's own)
-- ARGV 4 time of the last child that was looked at (us, 0 for the first call)
-- ARGV 5 most to look at (number)
-- RETURNS {ids that are cancelled, ids that were asked, time of the last child looked at (us) or nil if none is left}
-- RULE docs/architecture.md, "Scripts": a bite at a time; what has ended stays as it is
-- USES start rules gates wake ledger record wishes finish withdraw asking
local children, grace, most = root .. '@children@' .. ARGV[1], ARGV[3], tonumber(ARGV[5])
load_rules(ARGV[2])
local listed = redis.pcall('ZRANGEBYSCORE', children, '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, most)
if listed.err then
  if not string.find(listed.err, 'WRONGTYPE', 1, true) then call('ZCARD', children) end
  return {{}, {}, false}
end
local ending, asked, records = {}, {}, {}
for i = 1, #listed, 2 do
  local id = listed[i]
  local record = read(id)
  records[id] = record
  if waits(record) then
    call('EXISTS', root .. '@expiries@', root .. '@scheduled@', root .. '@ready@' .. record[TY])
    ending[#ending + 1] = id
  elseif record[ST] == 'running' and record[TY] then
    asked[#asked + 1] = id
  end
end

for _, id in ipairs(ending) do withdraw(id, records[id], 'cancelled') end
for _, id in ipairs(asked) do ask(id, records[id], grace) end
index_ends()
pay()
return {ending, asked, #listed == 2 * most and us(tonumber(listed[#listed]))}
