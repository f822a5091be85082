-- Forgets what has ended and lapsed, and dead letters that are too many, too old, or without a record.
-- KEYS 1 meta HASH
-- ARGV 1 most to take of each (number)
-- ARGV 2 most dead letters to keep (number, 0 no limit)
-- ARGV 3 greatest age of a dead letter (us, 0 no limit)
-- RETURNS {entries gone from ended, entries gone from dead}
-- RULE docs/architecture.md, "Scripts": lengths are bounded by trimming, never by the life of a set
-- USES start
local most, dead_limit, dead_age = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ENDED, DEAD = root .. '@ended@', root .. '@dead@'
local lapsed = call('ZRANGEBYSCORE', ENDED, '-inf', us(now), 'LIMIT', 0, most)
local oldest = call('ZRANGE', DEAD, 0, most - 1, 'WITHSCORES')
local surplus = dead_limit > 0 and call('ZCARD', DEAD) - dead_limit or 0
local gone, keys, indexes = {}, {}, {}
for i = 1, #oldest, 2 do
  local key = root .. '@activity@' .. oldest[i]
  local too_many, too_old = #gone < surplus, dead_age > 0 and tonumber(oldest[i + 1]) < now - dead_age
  local exists = call('EXISTS', key) == 1
  if too_many or too_old or not exists then
    gone[#gone + 1] = oldest[i]
    if exists then
      keys[#keys + 1] = key
      -- It may be long, and is freed aside.
      indexes[#indexes + 1] = root .. '@children@' .. oldest[i]
    end
  end
end

if lapsed[1] then call('ZREM', ENDED, unpack(lapsed)) end
if gone[1] then call('ZREM', DEAD, unpack(gone)) end
if keys[1] then call('DEL', unpack(keys)) end
if indexes[1] then call('UNLINK', unpack(indexes)) end
return {#lapsed, #gone}
