-- Gives back what a stopped process held, or what it had not started: to the head of the queue, no attempt counted.
-- KEYS 1 meta HASH
-- ARGV 1 node
-- ARGV 2 slot (number)
-- ARGV 3 packed rules (StoreRules.packed)
-- ARGV 4+ items of 2: id, token
-- RETURNS one verdict an item: ok | again (a repeat) | stale (its attempt has ended, or is another's)
-- RULE docs/architecture.md, "Scripts": kill, reap, then release; the token decides
-- USES start rules gates wake ledger record wishes finish conclude
local node, slot = ARGV[1], ARGV[2]
load_rules(ARGV[3])
local NODE = root .. '@node@' .. node
local held = call('HGET', NODE, slot)
local order, held_ids = string.match(held or '', '^(%d+%.%d+[!%d]*)(.*)$')
local verdicts, given, records = {}, {}, {}
for i = 4, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local record = not records[id] and read(id) or {}
  if runs(record, token) then
    verdicts[#verdicts + 1] = 'ok'
    records[id] = record
    given[#given + 1] = {id, token}
  else
    verdicts[#verdicts + 1] = record[LAST] == token and 'again' or 'stale'
  end
end

call('HDEL', NODE, slot)
local statement = {order}
for id in string.gmatch(held_ids or '', '%S+') do
  if not records[id] then statement[#statement + 1] = id end
end
if order then call('HSET', NODE, slot, table.concat(statement, ' ')) end
for _, item in ipairs(given) do conclude(item[1], records[item[1]], item[2], 'return', '', 0, 0) end
index_ends()
pay()
return verdicts
