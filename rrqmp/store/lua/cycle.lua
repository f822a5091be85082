-- One slot's full statement: settles what it has finished, gives back what it is said to hold and does not name, and
-- claims what it does next.
-- KEYS 1 meta HASH
-- ARGV 1 node
-- ARGV 2 slot (number)
-- ARGV 3 inc (number of the process in its slot)
-- ARGV 4 seq (number of the call in its process)
-- ARGV 5 want (how many to claim)
-- ARGV 6 packed rules (StoreRules.packed)
-- ARGV 7 number of settlements
-- ARGV 8 number of types served
-- ARGV 9 number of types woken
-- ARGV 10+ types served, types woken, settlements of 6: id, token, ending, body, delay (us), result ttl (ms)
-- RETURNS {status, now (us), verdicts, claims, next due (us) or nil}
-- RETURNS status ok | fenced (settled, claims nothing) | replay (heard before: its claims again) | superseded (nothing done)
-- RETURNS verdict ok | again (a repeat) | stale (not the caller's); claim {id, type, spec, attempt, crashes, losses, waited (us)}
-- RULE docs/architecture.md, "Scripts": Redis says what a slot has claimed; a lost reply, a repeat, a forgotten write heal
-- USES start rules gates wake ledger record wishes finish withdraw expiry conclude promotion due quarantine
local node, slot, inc, seq, want = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local settles, serves, wokens = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
load_rules(ARGV[6])
local first_woken, first_settle = 10 + serves, 10 + serves + wokens
local last_settle = first_settle + settles * 6 - 1
local holder = node .. '/' .. slot .. '.'
local token = holder .. inc .. '.' .. seq
local NODE, ACTIVITY, READY = root .. '@node@' .. node, root .. '@activity@', root .. '@ready@'

local held = call('HGET', NODE, slot)
local held_inc, held_seq, held_stale, held_ids = string.match(held or '', '^(%d+)%.(%d+)([!%d]*)(.*)$')
held_inc, held_seq = tonumber(held_inc), tonumber(held_seq)
if held_inc and (held_inc > inc or (held_inc == inc and held_seq > seq)) then
  return {'superseded', now, {}, {}, false}
end
-- How long ago it became ready: the score without its priority's head start.
local function waited(k)
  return math.max(0, math.min(now - string.sub(k, 2) - head_start * string.sub(k, 1, 1), now))
end

local verdicts, concluded, records, endings = {}, {}, {}, {}
if held_inc == inc and held_seq == seq then
  -- The records may have moved on since; what was refused then is written in the statement.
  for i = 1, settles do verdicts[i] = 'ok' end
  for i in string.gmatch(held_stale, '%d+') do verdicts[tonumber(i)] = 'stale' end
  local rows = {}
  for id in string.gmatch(held_ids, '%S+') do
    local record = read(id)
    if runs(record, token) then
      rows[#rows + 1] = {id, record[TY], record[SPEC], tonumber(record[ATT]) or 1, tonumber(record[CRASHES]) or 0,
        tonumber(record[LOSSES]) or 0, waited(record[K])}
    end
  end
  return {'replay', now, verdicts, rows, not rows[1] and next_due()}
end

local leaving, refused = {}, ''
for i = first_settle, last_settle, 6 do
  local id = ARGV[i]
  local record = records[id] or read(id)
  records[id] = record
  if not concluded[id] and runs(record, ARGV[i + 1]) then
    verdicts[#verdicts + 1] = 'ok'
    concluded[id] = true
    endings[#endings + 1] = i
    owe(leaving, record[TY], 1)
  else
    local again = not concluded[id] and record[LAST] == ARGV[i + 1]
    verdicts[#verdicts + 1] = again and 'again' or 'stale'
    if not again then refused = refused .. '!' .. #verdicts end
  end
end
-- Id and token decide who is an orphan: a call may name an id by an old token while the slot holds it by a new one.
local orphans = {}
for id in string.gmatch(held_ids or '', '%S+') do
  local record = records[id] or read(id)
  local held_by = record[TOK]
  if not concluded[id] and record[ST] == 'running' and held_by and record[TY]
    and string.sub(held_by, 1, #holder) == holder then
    concluded[id] = true
    orphans[#orphans + 1] = {id, record, held_by}
    owe(leaving, record[TY], 1)
  end
end

local expiry = call('ZSCORE', root .. '@nodes@', node)
local alive = expiry and tonumber(expiry) >= now

-- What to claim is chosen among what is ready now; what this call itself makes ready is signalled and waits for the next.
local claims, bad, lapsed, starting, queues, bytes = {}, {}, {}, {}, {}, 0
if alive and want > 0 and serves > 0 then
  local heads = call('ZMSCORE', root .. '@heads@', unpack(ARGV, 10, 9 + serves))
  for i = 1, serves do
    local name = ARGV[9 + i]
    local free = heads[i] and room(name) + (leaving[name] or 0) or 0
    if free > 0 then
      queues[#queues + 1] = {name = name, score = tonumber(heads[i]), room = free, list = {}, at = 1, offset = 0, taken = {}}
    end
  end
end
while #claims < want and #bad < 16 and #lapsed < 50 and bytes < 262144 do
  local queue
  for _, other in ipairs(queues) do
    if other.score and other.room > 0 and (not queue or other.score < queue.score) then queue = other end
  end
  if not queue then break end
  local id, score = queue.list[queue.at], queue.list[queue.at + 1]
  if not id then
    -- One more than is wanted: it becomes the head.
    queue.list = redis.pcall('ZRANGE', READY .. queue.name, queue.offset, queue.offset + want - #claims, 'WITHSCORES')
    if queue.list.err then
      -- A stranger's value where ids should be: this type is closed, the others go on. Anything else ends the script here.
      if not string.find(queue.list.err, 'WRONGTYPE', 1, true) then call('ZCARD', READY .. queue.name) end
      queue.list, queue.foreign = {}, true
    end
    queue.at, queue.offset = 1, queue.offset + #queue.list / 2
    queue.score = queue.list[2] and tonumber(queue.list[2])
  else
    local record = read(id, true)
    local fit, suspect = waits(record) and record[TY] == queue.name, record[CRASHES] or record[LOSSES]
    -- An id that no client of ours has made fits neither the statement of a slot nor the board of a worker.
    if #id > 36 or string.find(id, '[^%w-]') or id == '' then fit = false end
    if fit and record[EXP] and has_lapsed(record) then
      lapsed[#lapsed + 1] = id
      lapsed[id] = read(id)
      queue.late = true
    elseif fit and record[SPEC] ~= '' then
      -- What crashed or was lost before runs alone, so that it can blame nobody.
      if suspect and claims[1] then break end
      claims[#claims + 1] = {id, record, string.sub(record[K], 1, 1) .. score}
      queue.taken[#queue.taken + 1] = id
      if record[EXP] then starting[#starting + 1] = id end
      queue.room = queue.room - 1
      bytes = suspect and math.huge or bytes + #record[SPEC]
    else
      bad[#bad + 1] = {queue.name, id, read(id)}
    end
    queue.at = queue.at + 2
    queue.score = tonumber(queue.list[queue.at + 1] or queue.score)
  end
end
-- A help only: the supervisor promotes what is due. Always when this slot would sleep, else now and then.
local due = (not claims[1] or seq % 16 == 0) and due_members(20) or {}

if lapsed[1] or starting[1] then call('EXISTS', root .. '@expiries@', root .. '@scheduled@') end

-- The first write must be one that a full server allows; then all that follow pass.
if not claims[1] then call('HDEL', NODE, slot) end
for _, queue in ipairs(queues) do
  if queue.foreign then call('ZREM', root .. '@heads@', queue.name) end
  if queue.taken[1] then
    call('ZREM', READY .. queue.name, unpack(queue.taken))
    owe(touched, queue.name, 0)
    owe(running, queue.name, #queue.taken)
    next_heads[queue.name] = queue.list[queue.at + 1]
  end
  -- Behind what has expired there may be more than one call looks at.
  if queue.late then owe(touched, queue.name, 1) end
end
for _, i in ipairs(endings) do
  conclude(ARGV[i], records[ARGV[i]], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]))
end
for _, orphan in ipairs(orphans) do conclude(orphan[1], orphan[2], orphan[3], 'return', '', 0, 0) end
promote(due)
local rows, statement = {}, {inc .. '.' .. seq .. refused}
for i, claim in ipairs(claims) do
  local id, record = claim[1], claim[2]
  local attempt = (tonumber(record[ATT]) or 0) + 1
  call('HSET', ACTIVITY .. id, 'st', 'running', 'tok', token, 'att', attempt, 'k', claim[3])
  owe(waiting, record[TY] .. '\31' .. string.sub(claim[3], 1, 1), -1)
  rows[i] = {id, record[TY], record[SPEC], attempt, tonumber(record[CRASHES]) or 0, tonumber(record[LOSSES]) or 0,
    waited(claim[3])}
  statement[i + 1] = id
end
if starting[1] then redis.pcall('ZREM', root .. '@expiries@', unpack(starting)) end
expire(lapsed, lapsed)
if bad[1] then quarantine(bad) end
index_ends()
pay()
if bad[1] then recount(bad) end
-- A node that is forgotten leaves nothing behind; one that is fenced still keeps its slots' order of calls.
if expiry then call('HSET', NODE, slot, table.concat(statement, ' ')) end
for i = first_woken, first_settle - 1 do rouse(ARGV[i]) end
local status = (alive or want == 0) and 'ok' or 'fenced'
return {status, now, verdicts, rows, not rows[1] and next_due()}
