-- Makes dead letters pending again, as if new, at the end of the queue.
-- KEYS 1 meta HASH
-- ARGV 1 packed rules (StoreRules.packed)
-- ARGV 2+ ids
-- RETURNS how many of them were dead and could be revived
-- RULE docs/architecture.md, "Scripts": refused whole when the server is full; a corrupt record cannot be revived
-- USES start rules gates wake ledger record wishes
load_rules(ARGV[1])
local dead, revived, seen = root .. '@dead@', {}, {}
local stamp = tonumber(call('HGET', KEYS[1], 'stamp') or 0)
for i = 2, #ARGV do
  local id = ARGV[i]
  local record = read(id)
  if not seen[id] and record[ST] == 'dead_letter' and record[TY] and record[SPEC] ~= ''
    and call('ZSCORE', dead, id) and call('HGET', root .. '@activity@' .. id, 'err') ~= 'corrupt' then
    call('ZCARD', root .. '@ready@' .. record[TY])
    seen[id] = true
    revived[#revived + 1] = {id, record, call('HGET', root .. '@activity@' .. id, 'out') or ''}
  end
end
if not revived[1] then return 0 end

local ids = {}
for i, item in ipairs(revived) do
  local id, record = item[1], item[2]
  local key, prio = root .. '@activity@' .. id, string.sub(record[K], 1, 1)
  stamp = math.max(now, stamp + 1)
  local score = stamp - head_start * prio
  local last_words = string.match(item[3], '^[^\n]*')
  local hist = record[HIST] and record[HIST] .. '\n' .. last_words or last_words
  call('HSET', key, 'st', 'pending', 'k', prio .. us(score), 'hist', hist)
  call('HDEL', key, 'tok', 'att', 'crashes', 'losses', 'out', 'end', 'cancel', 'err', 'exp', 'prog')
  ids[i] = id
  -- Unfinished again, it holds its idempotency key again.
  local owned = owned_key(id, record, options(record[SPEC]) or {})
  if owned then redis.pcall('PERSIST', owned) end
end
call('ZREM', dead, unpack(ids))
for _, item in ipairs(revived) do
  local k = call('HGET', root .. '@activity@' .. item[1], 'k')
  arrive(item[2][TY], string.sub(k, 1, 1), tonumber(string.sub(k, 2)), item[1])
end
call('HSET', KEYS[1], 'stamp', us(stamp))
pay()
return #revived
