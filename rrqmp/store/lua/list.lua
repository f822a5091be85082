-- Reads a bite of one index in its order, from behind a place that may be gone by now.
-- KEYS 1 meta HASH
-- ARGV 1 index: ready, scheduled, dead or ended
-- ARGV 2 type, for ready (else empty)
-- ARGV 3 descending (1, 0)
-- ARGV 4 score of the place (empty: from the beginning)
-- ARGV 5 member of the place
-- ARGV 6 score at which to stop (us, empty for none), not included
-- ARGV 7 most entries (number)
-- ARGV 8 depth: 0 the ids, 1 what a list shows of each record, 2 also its last attempt
-- RETURNS {now (us), more (1, 0), {member, score, id, fields of the record or nil, last attempt or nil}, ...}
-- RULE docs/architecture.md, "Reading": no list costs the server more than its bite
-- USES start glance
local KEY = ({ready = root .. '@ready@' .. ARGV[2], scheduled = root .. '@scheduled@', dead = root .. '@dead@',
  ended = root .. '@ended@'})[ARGV[1]]
local descending, score, member, stop = ARGV[3] == '1', ARGV[4], ARGV[5], tonumber(ARGV[6])
local most, depth = tonumber(ARGV[7]), tonumber(ARGV[8])

-- Lua's own order of strings is the locale's, Redis' is that of the bytes.
local function precedes(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end
-- How many entries stand before the place. Many may share its score: a bulk has one due time.
local function rank()
  local low = call('ZCOUNT', KEY, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', KEY, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if precedes(call('ZRANGE', KEY, middle, middle)[1], member) then low = middle + 1 else high = middle end
  end
  return low
end
local function range()
  if descending then
    local first = score == '' and 0 or call('ZCARD', KEY) - rank()
    return call('ZREVRANGE', KEY, first, first + most - 1, 'WITHSCORES')
  end
  local first = score == '' and 0 or rank()
  local at = score ~= '' and call('ZRANGE', KEY, first, first) or {}
  if at[1] == member then first = first + 1 end
  return call('ZRANGE', KEY, first, first + most - 1, 'WITHSCORES')
end

local listed = range()
local found, bytes = {now, #listed == most * 2 and 1 or 0}, 0
for i = 1, #listed, 2 do
  local name, at = listed[i], tonumber(listed[i + 1])
  if stop and (descending and at <= stop or not descending and at >= stop) then
    found[2] = 0
    break
  end
  -- Reports of deaths may be long: a reply stays near 256 KiB.
  if bytes > 262144 then
    found[2] = 1
    break
  end
  local id = ARGV[1] == 'scheduled' and string.match(name, '^%d[^\31]+\31(.+)$') or name
  local entry = {name, listed[i + 1], id, depth > 0 and glance(id), false}
  if depth > 1 then
    local out = redis.pcall('HGET', root .. '@activity@' .. id, 'out')
    entry[5] = type(out) == 'string' and string.match(out, '^[^\n]*')
    bytes = bytes + #(entry[5] or '')
  end
  found[#found + 1] = entry
end
return found
