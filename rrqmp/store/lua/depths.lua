-- How full a queue is, in totals: the counts by type are summed here, a bite a call, since there may be very many.
-- KEYS 1 meta HASH
-- ARGV 1 cursor ('0' begins)
-- ARGV 2 fields a bite
-- ARGV 3 packed rules (StoreRules.packed)
-- RETURNS {next cursor ('0' is the end), waiting in this bite, running, scheduled, dead letters, age of the first (us)}
-- RETURNS the last four are 0 where the cursor is not '0'; the age is that of the type whose first has waited longest
-- RULE docs/architecture.md, "Metrics"
-- USES start rules
load_rules(ARGV[3])
local scanned = call('HSCAN', root .. '@count@', ARGV[1], 'COUNT', ARGV[2])
local waiting = 0
for i = 1, #scanned[2], 2 do
  -- Totals by outcome stand where a type's name would.
  if string.byte(scanned[2][i]) ~= 31 then waiting = waiting + (tonumber(scanned[2][i + 1]) or 0) end
end
if ARGV[1] ~= '0' then return {scanned[1], waiting, 0, 0, 0, 0} end

local running, oldest = 0, 0
local active = call('HVALS', root .. '@active@')
for _, n in ipairs(active) do running = running + (tonumber(n) or 0) end
local heads = call('ZRANGE', root .. '@heads@', 0, 49, 'WITHSCORES')
for i = 1, #heads, 2 do
  local first = redis.pcall('ZRANGE', root .. '@ready@' .. heads[i], 0, 0)
  local k = first[1] and redis.pcall('HGET', root .. '@activity@' .. first[1], 'k')
  local prio = type(k) == 'string' and string.match(k, '^%d')
  if prio then oldest = math.max(oldest, math.min(now - tonumber(heads[i + 1]) - head_start * prio, now)) end
end
return {scanned[1], waiting, running, call('ZCARD', root .. '@scheduled@'), call('ZCARD', root .. '@dead@'), oldest}
