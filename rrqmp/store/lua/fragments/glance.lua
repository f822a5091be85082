-- What a list shows of one record: {type, state, k, attempts, reason, end, token}; empty for no record.
local function glance(id)
  local fields = redis.pcall('HMGET', root .. '@activity@' .. id, 'ty', 'st', 'k', 'att', 'err', 'end', 'tok')
  return fields.err and {} or fields
end
