-- Reading records. A field that is missing is false; `K`, `SPEC` and the three counts are made whole, so that no later
-- step can fail, in a script or in a worker.
local ST, TY, K, SPEC, ATT, CRASHES, LOSSES, TOK, LAST, CANCEL, WATCH, HIST = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
-- What waits has only the first seven; a claim spares the look for the others.
local function read(id, waits)
  local key = root .. '@activity@' .. id
  local record = waits and redis.pcall('HMGET', key, 'st', 'ty', 'k', 'spec', 'att', 'crashes', 'losses')
    or redis.pcall('HMGET', key, 'st', 'ty', 'k', 'spec', 'att', 'crashes', 'losses', 'tok', 'last', 'cancel', 'watch', 'hist')
  if record.err then
    -- A slot that is being moved must end the script here, before its first write; a foreign type is no record.
    if not string.find(record.err, 'WRONGTYPE', 1, true) then call('HGET', key, 'st') end
    return {}
  end
  if not record[K] or not string.find(record[K], '^%d%-?%d+$') then record[K] = '1' .. us(now) end
  record[SPEC] = record[SPEC] or ''
  for field = ATT, LOSSES do
    local count = record[field]
    if count and (#count > 9 or string.find(count, '%D')) then record[field] = false end
  end
  return record
end
-- Whether this token's attempt is the one that runs.
local function runs(record, token)
  return record[ST] == 'running' and record[TOK] == token and record[TY]
end
