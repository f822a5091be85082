-- Takes a lost node's activities back, a bite a call, and forgets the node when it holds nothing more.
-- KEYS 1 meta HASH
-- ARGV 1 node
-- ARGV 2 ending: loss (only after the lease has run out) or restart (the caller holds the node's lock)
-- ARGV 3 most ids to take (number; a slot is taken whole)
-- ARGV 4 packed rules (StoreRules.packed)
-- RETURNS {allowed (1, 0), taken, left (1, 0), ids that have failed for good by this}
-- RULE docs/architecture.md, "Scripts": fenced first, for good; two callers at once do no harm
-- USES start rules gates wake ledger record wishes finish conclude
local node, how, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
load_rules(ARGV[4])
local NODE, NODES = root .. '@node@' .. node, root .. '@nodes@'
local expiry = tonumber(call('ZSCORE', NODES, node) or 0)
if how == 'loss' and expiry >= now then return {0, 0, 0, {}} end
local orphans, emptied = {}, {}
local fields = call('HGETALL', NODE)
for i = 1, #fields, 2 do
  if #orphans >= most then break end
  local holder = node .. '/' .. fields[i] .. '.'
  emptied[#emptied + 1] = fields[i]
  for id in string.gmatch(fields[i + 1], ' (%S+)') do
    local record = read(id)
    local token = record[TOK] or ''
    if string.sub(token, 1, #holder) == holder and runs(record, token) then orphans[#orphans + 1] = {id, record, token} end
  end
end

call('HDEL', NODE, '', unpack(emptied))
call('ZADD', NODES, 'XX', 0, node)
for _, orphan in ipairs(orphans) do conclude(orphan[1], orphan[2], orphan[3], how, '', 0, 0) end
local dead = {}
for i = 2, #deaths, 2 do dead[#dead + 1] = deaths[i] end
local left = #emptied * 2 < #fields
if not left then
  call('ZREM', NODES, node)
  call('DEL', root .. '@cancels@' .. node)
end
index_ends()
pay()
return {1, #orphans, left and 1 or 0, dead}
