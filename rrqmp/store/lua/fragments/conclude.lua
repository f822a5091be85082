-- conclude: the one place where an attempt ends. Needs start, rules, gates, wake, ledger, record, finish.
-- Only for records that `runs` has accepted in the read phase; nothing here can fail.
local function remember(hist, entry)
  hist = hist and hist .. '\n' .. entry or entry
  local _, breaks = string.gsub(hist, '\n', '')
  while breaks >= 20 or (#hist > 65536 and breaks > 0) do
    hist = string.sub(hist, string.find(hist, '\n', 1, true) + 1)
    breaks = breaks - 1
  end
  return hist
end
local function schedule(id, record, prio, due)
  local scheduled = root .. '@scheduled@'
  local first = call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')
  call('ZADD', scheduled, us(due), prio .. record[TY] .. '\31' .. id)
  if not first[1] or due < tonumber(first[2]) then call('PUBLISH', root .. '@due@', us(due)) end
end
-- How the attempt ends for the activity: its final state and reason, or nothing; and its counts of crashes and losses.
local function judge(record, how)
  local crashes, losses = tonumber(record[CRASHES]) or 0, tonumber(record[LOSSES]) or 0
  if how == 'crash' then crashes = crashes + 1 end
  if how == 'loss' or how == 'restart' then losses = losses + 1 end
  if how == 'completed' then return 'completed', nil, crashes, losses end
  if record[CANCEL] or how == 'cancelled' then return 'cancelled', nil, crashes, losses end
  if how == 'dead' then return 'dead_letter', nil, crashes, losses end
  if how == 'crash' and crashes >= max_crashes then return 'dead_letter', 'poisoned', crashes, losses end
  if (how == 'loss' or how == 'restart') and losses >= max_losses then return 'dead_letter', 'lost', crashes, losses end
  return nil, nil, crashes, losses
end
local function conclude(id, record, token, how, body, delay, ttl)
  owe(running, record[TY], -1)
  local state, reason, crashes, losses = judge(record, how)
  local lost = how == 'loss' or how == 'restart'
  if body == '' and (state or lost) then body = line(state == 'cancelled' and state or 'lost', record, token) end
  if state == 'dead_letter' and not reason and string.find(body, '^[^\n]*"kind":"corrupt"') then reason = 'corrupt' end
  local key = root .. '@activity@' .. id
  if how == 'crash' then call('HSET', key, 'crashes', crashes) end
  if lost then call('HSET', key, 'losses', losses) end
  if state then return finish(id, record, token, state, body, reason, ttl) end

  local prio, score = string.sub(record[K], 1, 1), tonumber(string.sub(record[K], 2))
  call('HDEL', key, 'tok')
  if how == 'release' then
    call('HSET', key, 'last', token, 'att', math.max(0, (tonumber(record[ATT]) or 1) - 1))
  elseif body ~= '' then
    call('HSET', key, 'last', token, 'hist', remember(record[HIST], string.match(body, '^[^\n]*')))
  else
    call('HSET', key, 'last', token)
  end
  if how == 'retry' or (how == 'crash' and crashes > 1) then
    local due = now + delay
    call('HSET', key, 'st', 'retrying', 'k', prio .. us(due))
    schedule(id, record, prio, due)
  else
    call('HSET', key, 'st', 'pending')
    arrive(record[TY], prio, score, id)
  end
end
