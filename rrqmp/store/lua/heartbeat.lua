-- Renews a node's lease, gives back what its vanished slots hold, repairs lost wake-ups and reports dead nodes.
-- KEYS 1 meta HASH
-- ARGV 1 node
-- ARGV 2 joining (1 for the first beat of a boot, else 0)
-- ARGV 3 packed rules (StoreRules.packed)
-- ARGV 4 number of slots
-- ARGV 5+ slots that live or have a report pending, then ids whose cancel is done
-- RETURNS {fenced (1, 0), now (us), expired nodes (4 at most), next due (us) or nil, {id, token, ...} to be cancelled}
-- RETURNS error LAYOUT <version>: the queue was written by another version
-- RULE docs/architecture.md, "Scripts": when Redis itself was away, leases shift instead of expiring
-- USES start rules gates wake ledger record wishes finish conclude due
local node, joining, slots = ARGV[1], ARGV[2] == '1', tonumber(ARGV[4])
load_rules(ARGV[3])
local NODE, NODES, HEADS, CANCELS = root .. '@node@' .. node, root .. '@nodes@', root .. '@heads@', root .. '@cancels@' .. node
local meta = call('HMGET', KEYS[1], 'beat', 'version', 'turn')
if meta[2] and meta[2] ~= '@layout@' then return redis.error_reply('LAYOUT ' .. meta[2]) end
local beat, turn = tonumber(meta[1]) or 0, tonumber(meta[3]) or 0

local shifted = {}
if now - beat > lease / 2 or now < beat then
  for _, name in ipairs(call('ZRANGEBYSCORE', NODES, '(0', '+inf')) do
    shifted[#shifted + 1] = us(now + lease)
    shifted[#shifted + 1] = name
  end
end
local expiry = tonumber(call('ZSCORE', NODES, node) or 0)
if expiry > 0 and shifted[1] then expiry = now + lease end
local fenced = not joining and expiry < now
local known, vanished, orphans = {}, {}, {}
for i = 5, 4 + slots do known[ARGV[i]] = true end
if not fenced then
  local fields = call('HGETALL', NODE)
  for i = 1, #fields, 2 do
    local slot, order, held_ids = fields[i], string.match(fields[i + 1], '^(%d+%.%d+[!%d]*)(.*)$')
    if not known[slot] and order and held_ids ~= '' and #orphans < 50 then
      vanished[#vanished + 1] = slot
      vanished[#vanished + 1] = order
      local holder = node .. '/' .. slot .. '.'
      for id in string.gmatch(held_ids, '%S+') do
        local record = read(id)
        local token = record[TOK] or ''
        if string.sub(token, 1, #holder) == holder and runs(record, token) then
          orphans[#orphans + 1] = {id, record, token}
        end
      end
    end
  end
end

call('HDEL', CANCELS, '', unpack(ARGV, 5 + slots))
if shifted[1] then call('ZADD', NODES, unpack(shifted)) end
if not fenced then
  call('HSET', KEYS[1], 'beat', us(now), 'version', '@layout@', 'turn', turn + 1)
  call('ZADD', NODES, us(now + lease), node)
  if vanished[1] then call('HSET', NODE, unpack(vanished)) end
  for _, orphan in ipairs(orphans) do conclude(orphan[1], orphan[2], orphan[3], 'return', '', 0, 0) end
  index_ends()
  pay()
  local from = math.floor(turn % math.max(1, math.ceil(call('ZCARD', HEADS) / 32))) * 32
  for _, type_name in ipairs(call('ZRANGE', HEADS, from, from + 31)) do rouse(type_name) end
end
local expired = {}
for _, name in ipairs(call('ZRANGEBYSCORE', NODES, '-inf', '(' .. us(now), 'LIMIT', 0, 5)) do
  if name ~= node and #expired < 4 then expired[#expired + 1] = name end
end
return {fenced and 1 or 0, now, expired, next_due(), call('HGETALL', CANCELS)}
