-- Repairs the wake-up of some types at once: an idle worker that leaves may have taken a token along.
-- KEYS 1 meta HASH
-- ARGV 1+ types
-- RETURNS nil
-- RULE docs/architecture.md, "Wake-ups"
-- USES start gates wake
-- A full server refuses a script whose first write adds something; one that takes nothing away opens the door.
call('HDEL', KEYS[1], '')
for _, type_name in ipairs(ARGV) do rouse(type_name) end
return false
