-- ask(id, record, grace): the node that runs it is told to end it, now by a message and again at each heartbeat until it
-- says that it is done. `grace` in ms, empty for the node's own; the last word stands. Needs start, record.
local function ask(id, record, grace)
  local token = record[TOK] or ''
  local node = string.match(token, '^(.*)/') or ''
  local cancels, order = root .. '@cancels@' .. node, grace == '' and token or token .. ' ' .. grace
  -- A deletion first, and of whatever lies there if it is a stranger's.
  if type(redis.pcall('HDEL', cancels, id)) ~= 'number' then call('DEL', cancels) end
  call('HSET', root .. '@activity@' .. id, 'cancel', 1)
  call('HSET', cancels, id, order)
  call('PUBLISH', root .. '@control@' .. node, id .. ' ' .. order)
end
