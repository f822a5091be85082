-- Reading records. A field that is missing is false; `K`, `SPEC` and the three counts are made whole, so that no later
-- step can fail, in a script or in a worker.
local ST, TY, K, SPEC, ATT, CRASHES, LOSSES, TOK, LAST, CANCEL, WATCH, HIST, MORE = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
-- What waits has only the first seven, and perhaps an expiry; a claim spares the look for the others.
local EXP = 8
local function read(id, waits)
  local key = root .. '@activity@' .. id
  local record = waits and redis.pcall('HMGET', key, 'st', 'ty', 'k', 'spec', 'att', 'crashes', 'losses', 'exp')
    or redis.pcall('HMGET', key, 'st', 'ty', 'k', 'spec', 'att', 'crashes', 'losses', 'tok', 'last', 'cancel', 'watch', 'hist',
      'more')
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
-- Whether an attempt may still begin.
local function waits(record)
  local state = record[ST]
  return record[TY] and (state == 'pending' or state == 'scheduled' or state == 'retrying')
end
-- Whether this token's attempt is the one that runs.
local function runs(record, token)
  return record[ST] == 'running' and record[TOK] == token and record[TY]
end
-- An attempt's line, made here where no process could report one.
local function line(kind, record, token)
  local node, slot = string.match(token, '^(.*)/(%d+)')
  return string.format('{"kind":"%s","attempt":%d,"ended_at":%d.%06d%s}', kind, tonumber(record[ATT]) or 0,
    math.floor(now / 1000000), now % 1000000,
    node and string.format(',"node":%s,"slot":%s', cjson.encode(node), slot) or '')
end
