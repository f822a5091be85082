-- What the submitter asked for, and what a record holds by it. Needs start, record.
-- The options line of a spec, or nothing.
local function options(spec)
  local stop = string.find(spec, '\n', 1, true)
  -- `{}` has nothing to say.
  if not stop or stop < 4 then return nil end
  local fine, decoded = pcall(cjson.decode, string.sub(spec, 1, stop - 1))
  return fine and type(decoded) == 'table' and decoded or nil
end
-- The idempotency key of this record's submission, if the record still owns it.
local function owned_key(id, record, wishes)
  local key = root .. '@idempotency@' .. #record[TY] .. ':' .. record[TY] .. ':' .. tostring(wishes.key)
  return redis.pcall('GET', key) == id and key or nil
end
