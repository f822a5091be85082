-- Allows claims of a type again, or of all, and wakes workers.
-- KEYS 1 meta HASH
-- ARGV 1 type, or * for all
-- RETURNS nil
-- RULE docs/architecture.md, "Wake-ups": every move that makes a type claimable signals it
-- USES start gates wake
local types = ARGV[1] == '*' and call('ZRANGE', root .. '@heads@', 0, 99) or {ARGV[1]}
call('SREM', root .. '@paused@', ARGV[1])
for _, type_name in ipairs(types) do
  if call('ZSCORE', root .. '@heads@', type_name) then signal(type_name, BOUND) end
end
return false
