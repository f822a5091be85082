-- Expiry in its two phases: what is still waiting for its first attempt when its time comes ends as cancelled, with a
-- last line of kind expired. Needs start, ledger, record, wishes, finish, withdraw.
local function has_lapsed(record)
  local expires = record[EXP] and tonumber(record[EXP])
  return expires and expires <= now and (tonumber(record[ATT]) or 0) == 0 and waits(record)
end
-- lapsed_members(n): the entries whose time has come, at most n: ids, and the records of those that end. Read phase.
local function lapsed_members(n)
  local ids = redis.pcall('ZRANGEBYSCORE', root .. '@expiries@', '-inf', us(now), 'LIMIT', 0, n)
  if ids.err then
    if not string.find(ids.err, 'WRONGTYPE', 1, true) then call('EXISTS', root .. '@expiries@') end
    return {}, {}
  end
  local records = {}
  for _, id in ipairs(ids) do
    local record = read(id)
    if has_lapsed(record) then
      call('EXISTS', root .. '@scheduled@', root .. '@ready@' .. record[TY])
      records[id] = record
    end
  end
  return ids, records
end
-- An entry whose activity has started or ended only goes. Write phase, before `index_ends` and `pay`.
local function expire(ids, records)
  if not ids[1] then return end
  redis.pcall('ZREM', root .. '@expiries@', unpack(ids))
  for _, id in ipairs(ids) do
    if records[id] then withdraw(id, records[id], 'expired') end
  end
end
