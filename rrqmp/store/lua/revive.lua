-- Makes dead letters pending again, as if new, at the end of the queue.
-- KEYS 1 meta HASH
-- ARGV 1 packed rules (StoreRules.packed)
-- ARGV 2+ ids
-- RETURNS how many of them were dead and could be revived
-- RULE docs/architecture.md, "Scripts": refused whole when the server is full; a corrupt record cannot be revived
-- USES start rules gates wake ledger record wishes
load_rules(ARGV[1])
local dead, revived, seen, types = root .. '@dead@', {}, {}, {}
local stamp = tonumber(call('HGET', KEYS[1], 'stamp') or 0)
local is_dead = call('ZMSCORE', dead, unpack(ARGV, 2))
for i = 2, #ARGV do
  local id = ARGV[i]
  local record = is_dead[i - 1] and not seen[id] and read(id) or {}
  if record[ST] == 'dead_letter' and record[TY] and record[SPEC] ~= '' then
    local ended = call('HMGET', root .. '@activity@' .. id, 'err', 'out')
    if ended[1] ~= 'corrupt' then
      types[record[TY]] = true
      seen[id] = true
      revived[#revived + 1] = {id, record, ended[2] or ''}
    end
  end
end
if not revived[1] then return 0 end
for type_name in pairs(types) do call('ZCARD', root .. '@ready@' .. type_name) end

-- Who is revived again and again has died as often: the oldest of it goes.
local function history(record, out)
  local hist = string.match(out, '^[^\n]*')
  if record[HIST] then hist = record[HIST] .. '\n' .. hist end
  while #hist > 65536 do
    local stop = string.find(hist, '\n', 1, true)
    if not stop then break end
    hist = string.sub(hist, stop + 1)
  end
  return hist
end
local ids = {}
for i, item in ipairs(revived) do
  local id, record = item[1], item[2]
  local key, prio = root .. '@activity@' .. id, string.sub(record[K], 1, 1)
  stamp = math.max(now, stamp + 1)
  local score = stamp - head_start * prio
  call('HSET', key, 'st', 'pending', 'k', prio .. us(score), 'hist', history(record, item[3]))
  call('HDEL', key, 'tok', 'att', 'crashes', 'losses', 'out', 'end', 'cancel', 'err', 'exp', 'prog')
  ids[i] = id
  -- Unfinished again, it holds its idempotency key again.
  local wishes = options(record[SPEC])
  local owned = wishes and wishes.key and owned_key(id, record, wishes)
  if owned then redis.pcall('PERSIST', owned) end
  arrive(record[TY], prio, score, id)
end
call('ZREM', dead, unpack(ids))
call('HSET', KEYS[1], 'stamp', us(stamp))
pay()
return #revived
