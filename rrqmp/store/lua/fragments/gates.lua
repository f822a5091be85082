-- room(type): how many more of a type may be claimed, after pauses and limits. One EXISTS where nobody set any.
-- A stranger's value under one of the three keys counts as none: it must not stop a worker.
local gated = call('EXISTS', root .. '@paused@', root .. '@limits@') > 0
local function room(type_name)
  if not gated then return math.huge end
  local paused = root .. '@paused@'
  if redis.pcall('SISMEMBER', paused, type_name) == 1 or redis.pcall('SISMEMBER', paused, '*') == 1 then return 0 end
  local limit = redis.pcall('HGET', root .. '@limits@', type_name)
  limit = type(limit) == 'string' and tonumber(limit)
  if not limit then return math.huge end
  local active = redis.pcall('HGET', root .. '@active@', type_name)
  return limit - (type(active) == 'string' and tonumber(active) or 0)
end
