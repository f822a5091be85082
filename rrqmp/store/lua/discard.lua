-- Deletes dead letters, index entry and record together, and tells who waits for them.
-- KEYS 1 meta HASH
-- ARGV 1+ ids
-- RETURNS how many of them were dead
-- RULE docs/architecture.md, "Scripts": a record goes with its index entry; its idempotency key is free at once
-- USES start record wishes
local dead, gone = root .. '@dead@', {}
for _, id in ipairs(ARGV) do
  local record = read(id)
  if (record[ST] == 'dead_letter' or call('EXISTS', root .. '@activity@' .. id) == 0) and call('ZSCORE', dead, id) then
    gone[#gone + 1] = {id, record}
  end
end

local number = 0
for _, item in ipairs(gone) do
  local id, record = item[1], item[2]
  number = number + call('ZREM', dead, id)
  local wishes = record[TY] and options(record[SPEC])
  local owned = wishes and wishes.key and owned_key(id, record, wishes)
  local key = root .. '@activity@' .. id
  call('DEL', key, owned or key)
  call('UNLINK', root .. '@children@' .. id)
  local news = id .. ' dead_letter ' .. line('discarded', record, '')
  if wishes and type(wishes.reply) == 'string' then call('PUBLISH', root .. '@done@' .. wishes.reply, news) end
  if record[WATCH] then call('PUBLISH', root .. '@done@' .. id, news) end
end
return number
