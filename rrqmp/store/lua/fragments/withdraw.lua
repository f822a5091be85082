-- withdraw(id, record, kind): the one way in which what waits ends without an attempt; `kind` is that of its last line.
-- Needs start, ledger, record, wishes, finish. Only for records that `waits` has accepted in the read phase, after a
-- look at `ready` of its type. Promotion writes no record, so the id may be in either set; a stranger's value under one
-- of the keys holds no id of ours.
local function withdraw(id, record, kind)
  local type_name, prio = record[TY], string.sub(record[K], 1, 1)
  redis.pcall('ZREM', root .. '@expiries@', id)
  redis.pcall('ZREM', root .. '@scheduled@', prio .. type_name .. '\31' .. id)
  if redis.pcall('ZREM', root .. '@ready@' .. type_name, id) == 1 then
    owe(waiting, type_name .. '\31' .. prio, -1)
    owe(touched, type_name, 0)
  end
  finish(id, record, '', 'cancelled', line(kind, record, ''), nil, 0)
end
