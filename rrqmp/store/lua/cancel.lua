-- Ends a waiting activity as cancelled, or asks the node that runs it to end it.
-- KEYS 1 meta HASH
-- ARGV 1 id
-- ARGV 2 packed rules (StoreRules.packed)
-- ARGV 3 grace that a running handler gets (ms, empty for its node's own)
-- RETURNS {cancelled | requested | ended | unknown, its state or nil}
-- RULE docs/architecture.md, "Scripts": a completed attempt wins; every other ending of a cancelled record is cancelled
-- USES start rules gates wake ledger record wishes finish withdraw asking
local id, grace = ARGV[1], ARGV[3]
load_rules(ARGV[2])
local record = read(id)
local state, type_name = record[ST], record[TY]
if not state or not type_name then return {'unknown', false} end
if state == 'running' then
  ask(id, record, grace)
  return {'requested', state}
end
if not waits(record) then return {'ended', state} end
call('EXISTS', root .. '@expiries@', root .. '@scheduled@', root .. '@ready@' .. type_name)

withdraw(id, record, 'cancelled')
index_ends()
pay()
return {'cancelled', 'cancelled'}
