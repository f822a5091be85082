-- Ends a waiting activity as cancelled, or asks the node that runs it to end it.
-- KEYS 1 meta HASH
-- ARGV 1 id
-- ARGV 2 packed rules (StoreRules.packed)
-- RETURNS {cancelled | requested | ended | unknown, its state or nil}
-- RULE docs/architecture.md, "Scripts": a completed attempt wins; every other ending of a cancelled record is cancelled
-- USES start rules gates wake ledger record finish
local id = ARGV[1]
load_rules(ARGV[2])
local record = read(id)
local state, type_name = record[ST], record[TY]
if not state or not type_name then return {'unknown', false} end
if state == 'running' then
  local token = record[TOK] or ''
  local node = string.match(token, '^(.*)/') or ''
  call('HDEL', root .. '@cancels@' .. node, id)
  call('HSET', root .. '@activity@' .. id, 'cancel', 1)
  call('HSET', root .. '@cancels@' .. node, id, token)
  call('PUBLISH', root .. '@control@' .. node, id .. ' ' .. token)
  return {'requested', state}
end
if state ~= 'pending' and state ~= 'scheduled' and state ~= 'retrying' then return {'ended', state} end
local prio = string.sub(record[K], 1, 1)
call('ZCARD', root .. '@ready@' .. type_name)

-- Promotion writes no record, so the id may be in either set.
call('ZREM', root .. '@scheduled@', prio .. type_name .. '\31' .. id)
if call('ZREM', root .. '@ready@' .. type_name, id) == 1 then
  owe(waiting, type_name .. '\31' .. prio, -1)
  owe(touched, type_name, 0)
end
finish(id, record, '', 'cancelled', line('cancelled', record, ''), nil, 0)
index_ends()
pay()
return {'cancelled', 'cancelled'}
