-- Sets how many of a type may run at once, or takes the limit away, and wakes workers.
-- KEYS 1 meta HASH
-- ARGV 1 type
-- ARGV 2 most that may run (number, empty for no limit)
-- RETURNS nil
-- RULE docs/architecture.md, "Wake-ups": every move that makes a type claimable signals it
-- USES start gates wake
local type_name = ARGV[1]
local head = call('ZSCORE', root .. '@heads@', type_name)
-- A full server refuses a script whose first write adds something.
call('HDEL', KEYS[1], '')
if ARGV[2] == '' then
  call('HDEL', root .. '@limits@', type_name)
else
  call('HSET', root .. '@limits@', type_name, ARGV[2])
end
-- `gated` was read before the limit was written.
gated = true
if head then signal(type_name, BOUND) end
return false
