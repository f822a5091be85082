-- Expiry: what is still waiting for its first attempt when its time comes ends as cancelled, with a last line of kind
-- expired. Needs start, ledger, record, wishes, finish, withdraw.
-- Of a record as `read(id, true)` gives it. Read phase.
local function has_lapsed(record)
  local expires = record[EXP] and tonumber(record[EXP])
  return expires and expires <= now and (tonumber(record[ATT]) or 0) == 0 and waits(record)
end
-- An entry whose activity has started or ended only goes. Write phase, before `index_ends` and `pay`.
local function expire(ids, records)
  if not ids[1] then return end
  redis.pcall('ZREM', root .. '@expiries@', unpack(ids))
  for _, id in ipairs(ids) do
    if records[id] then withdraw(id, records[id], 'expired') end
  end
end
