-- Reads what the slots of one node hold, in the order of the slots.
-- KEYS 1 meta HASH
-- ARGV 1 node
-- ARGV 2 first slot (number)
-- ARGV 3 least ids after which to stop (number; a slot is read whole)
-- RETURNS {next slot or nil, {slot, id, fields of the record}, ...}: ids whose record says that this slot runs them
-- RULE docs/architecture.md, "Reading": a slot may name ids that are another's by now
-- USES start glance
local node, first, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local fields = redis.pcall('HGETALL', root .. '@node@' .. node)
if fields.err then return {false} end
local slots, held = {}, {}
for i = 1, #fields, 2 do
  local slot = tonumber(fields[i])
  if slot and slot >= first then
    slots[#slots + 1] = slot
    held[slot] = fields[i + 1]
  end
end
table.sort(slots)

local found, read = {false}, 0
for _, slot in ipairs(slots) do
  if read >= most then
    found[1] = slot
    break
  end
  local holder = node .. '/' .. us(slot) .. '.'
  for id in string.gmatch(held[slot], ' (%S+)') do
    local record = glance(id)
    read = read + 1
    if record[2] == 'running' and string.sub(record[7] or '', 1, #holder) == holder then
      found[#found + 1] = {slot, id, record}
    end
  end
end
return found
