-- Deletes dead letters, index entry and record together.
-- KEYS 1 meta HASH
-- ARGV 1+ ids
-- RETURNS how many of them were dead
-- RULE docs/architecture.md, "Scripts": a record goes with its index entry
-- USES start
local dead, gone = root .. '@dead@', 0
for _, id in ipairs(ARGV) do
  local key = root .. '@activity@' .. id
  if call('EXISTS', key) == 0 or redis.pcall('HGET', key, 'st') == 'dead_letter' then
    if call('ZREM', dead, id) == 1 then
      call('DEL', key)
      gone = gone + 1
    end
  end
end
return gone
