-- lapsed_members(n): the entries of `expiries` whose time has come, at most n: ids, and the records of those that end.
-- Read phase. Needs start, record, expiry.
local function lapsed_members(n)
  local ids = redis.pcall('ZRANGEBYSCORE', root .. '@expiries@', '-inf', us(now), 'LIMIT', 0, n)
  if ids.err then
    if not string.find(ids.err, 'WRONGTYPE', 1, true) then call('EXISTS', root .. '@expiries@') end
    return {}, {}
  end
  local records = {}
  for _, id in ipairs(ids) do
    if has_lapsed(read(id, true)) then
      records[id] = read(id)
      call('EXISTS', root .. '@scheduled@', root .. '@ready@' .. records[id][TY])
    end
  end
  return ids, records
end
