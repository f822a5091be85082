-- next_due(): the earliest time at which something becomes due or expires, or false.
local function next_due()
  local due = tonumber(call('ZRANGE', root .. '@scheduled@', 0, 0, 'WITHSCORES')[2])
  local expires = tonumber(redis.pcall('ZRANGE', root .. '@expiries@', 0, 0, 'WITHSCORES')[2])
  return due and expires and math.min(due, expires) or due or expires or false
end
