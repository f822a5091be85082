-- Accepts activities: each gets its record and its place in one step, or an answer that says why not.
-- KEYS 1 meta HASH
-- ARGV 1 packed rules (StoreRules.packed)
-- ARGV 2 most that may wait afterwards (number, 0 no limit)
-- ARGV 3 number of items
-- ARGV 4+ items of 8: id, type, priority (digit), delay (us), at (us since 1970, 0 none), idempotency key, mode, spec;
-- ARGV   then, for those items that have any, 3: number of the item (from 1), expiry (us since 1970, 0 none), parent's id
-- RETURNS one text an item: created | exists | conflict | existing <owner> | refused <owner> | in_use <owner> | full
-- RETURNS full: the queue would hold more than it may; then all of the call are, and nothing of it was accepted
-- RETURNS error LAYOUT <version>: the queue was written by another version
-- RULE docs/architecture.md, "Scripts": an id is accepted once, a key is decided in the same step
-- USES start rules gates wake ledger family
local packed, most, number = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
-- The one rule that every call needs; reading all of them takes as long as two commands.
head_start = tonumber(string.match(packed, '^%S+'))
local ACTIVITY, IDEMPOTENCY = root .. '@activity@', root .. '@idempotency@'

local meta = call('HMGET', KEYS[1], 'stamp', 'version')
if meta[2] and meta[2] ~= '@layout@' then return redis.error_reply('LAYOUT ' .. meta[2]) end
local stamp = tonumber(meta[1]) or 0

-- The state of a record; a foreign type counts as a record in no state, so that its id is never overwritten.
local function peek(key, field)
  local found = redis.pcall('HGET', key, field)
  if type(found) ~= 'table' then return found end
  if not string.find(found.err, 'WRONGTYPE', 1, true) then call('HGET', key, field) end
  return ''
end

local MAY_FOLLOW = {dead_letter = true, cancelled = true}
local owners, specs, replies, accepted, places = {}, {}, {}, {}, {}
local function decide(id, type_name, key, mode, spec)
  local known = specs[id] or peek(ACTIVITY .. id, 'spec')
  if known then return known == spec and 'exists' or 'conflict' end
  if key == '' then return 'created' end
  local name = IDEMPOTENCY .. #type_name .. ':' .. type_name .. ':' .. key
  local owner = owners[name] or redis.pcall('GET', name)
  if type(owner) == 'string' and owner ~= id then
    -- An owner without a record counts as absent.
    local state = specs[owner] and 'pending' or peek(ACTIVITY .. owner, 'st')
    if state then
      if mode == 'return_existing' then return 'existing ' .. owner end
      if mode == 'no_reuse' then return 'refused ' .. owner end
      if mode == 'allow_reuse_on_failure' and not MAY_FOLLOW[state] then return 'in_use ' .. owner end
    end
  end
  owners[name] = id
  return 'created', name
end

local any_delayed, last = false, 3 + number * 8
for i = 4, last, 8 do
  local id, type_name, spec = ARGV[i], ARGV[i + 1], ARGV[i + 7]
  local verdict, name = decide(id, type_name, ARGV[i + 5], ARGV[i + 6], spec)
  replies[#replies + 1] = verdict
  if verdict == 'created' then
    local due = tonumber(ARGV[i + 4])
    if due == 0 then due = now + ARGV[i + 3] end
    specs[id] = spec
    accepted[#accepted + 1] = {id, type_name, ARGV[i + 2], due, name, spec}
    if #ARGV > last then places[(i + 4) / 8] = #accepted end
    any_delayed = any_delayed or due > now
    if not heads_before[type_name] then
      call('ZCARD', root .. '@ready@' .. type_name)
      heads_before[type_name] = tonumber(call('ZSCORE', root .. '@heads@', type_name) or math.huge)
    end
  end
end
if not accepted[1] then return replies end
if most > 0 then
  local waits, counts = #accepted + call('ZCARD', root .. '@scheduled@'), root .. '@count@'
  for _, n in ipairs(redis.pcall('HVALS', counts)) do waits = waits + (tonumber(n) or 0) end
  -- The totals by outcome stand among them.
  for _, n in ipairs(redis.pcall('HMGET', counts, '\31completed', '\31cancelled', '\31dead_letter')) do
    waits = waits - (tonumber(n) or 0)
  end
  if waits > most then
    for i = 1, number do replies[i] = 'full' end
    return replies
  end
end
local expiring, first_expiry = {}, nil
for i = last + 1, #ARGV, 3 do
  local item, expires, parent = accepted[places[tonumber(ARGV[i])]], tonumber(ARGV[i + 1]), ARGV[i + 2]
  if item and expires > 0 then
    item[7] = us(expires)
    expiring[#expiring + 1] = item[7]
    expiring[#expiring + 1] = item[1]
    first_expiry = math.min(expires, first_expiry or expires)
  end
  if item and parent ~= '' then
    load_rules(packed)
    meet(parent)
    item[8] = parent
  end
end
local expiry_before = expiring[1] and redis.pcall('ZRANGE', root .. '@expiries@', 0, 0, 'WITHSCORES')[2]
local first_due
if any_delayed then first_due = call('ZRANGE', root .. '@scheduled@', 0, 0, 'WITHSCORES')[2] end

local delayed, earliest = {}, nil
for _, item in ipairs(accepted) do
  local id, type_name, prio, due = item[1], item[2], item[3], item[4]
  stamp = math.max(now, stamp + 1)
  if due > now then
    call('HSET', ACTIVITY .. id, 'spec', item[6], 'ty', type_name, 'k', prio .. us(due), 'st', 'scheduled')
    delayed[#delayed + 1] = us(due)
    delayed[#delayed + 1] = prio .. type_name .. '\31' .. id
    earliest = math.min(due, earliest or due)
  else
    local score = stamp - head_start * prio
    call('HSET', ACTIVITY .. id, 'spec', item[6], 'ty', type_name, 'k', prio .. us(score), 'st', 'pending')
    arrive(type_name, prio, score, id)
  end
  if item[5] then call('SET', item[5], id) end
  if item[7] then call('HSET', ACTIVITY .. id, 'exp', item[7]) end
  if item[8] then adopt(item[8], id, stamp) end
end
if delayed[1] then
  call('ZADD', root .. '@scheduled@', unpack(delayed))
  if not first_due or earliest < tonumber(first_due) then call('PUBLISH', root .. '@due@', us(earliest)) end
end
if expiring[1] then
  redis.pcall('ZADD', root .. '@expiries@', unpack(expiring))
  if not expiry_before or first_expiry < tonumber(expiry_before) then
    call('PUBLISH', root .. '@due@', us(first_expiry))
  end
end
keep_families()
pay()
call('HSET', KEYS[1], 'stamp', us(stamp), 'version', '@layout@')
return replies
