-- Puts what a running activity waits for in front of all that became ready after that one.
-- KEYS 1 meta HASH
-- ARGV 1 id of the one that waits
-- ARGV 2+ ids that it waits for
-- RETURNS how many were put forward
-- RULE docs/architecture.md, "Blocked slots": a family comes to its end before the next one is begun
-- USES start gates wake ledger record
local waiter = read(ARGV[1])
if waiter[ST] ~= 'running' then return 0 end
-- In front of its own place: of several generations the youngest goes first, or all would be begun and none ended.
local score, forward = tonumber(string.sub(waiter[K], 2)) - 1, {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local record = read(id, true)
  if waits(record) then
    local ready = root .. '@ready@' .. record[TY]
    local own = call('ZSCORE', ready, id)
    if own and tonumber(own) > score then forward[#forward + 1] = {id, record, ready} end
  end
end

for _, item in ipairs(forward) do
  local id, record = item[1], item[2]
  call('ZADD', item[3], 'XX', us(score), id)
  call('HSET', root .. '@activity@' .. id, 'k', string.sub(record[K], 1, 1) .. us(score))
  owe(touched, record[TY], 0)
end
pay()
return #forward
