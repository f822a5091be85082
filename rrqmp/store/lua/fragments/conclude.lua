-- conclude: the one place where an attempt ends. Needs start, rules, gates, wake, ledger, record, finish.
-- `release` is a handler's own word, `return` the taking back of what had not started or was stopped.
-- Only for records that `runs` has accepted in the read phase; nothing here can fail.
--
-- go_on: an attempt that did not complete. Its steps are functions of their own and made only here: making one takes as
-- long as a third of a call, and nearly every attempt completes.
local function go_on(id, record, token, how, body, delay, ttl)
  local key = root .. '@activity@' .. id
  local crashes, losses = tonumber(record[CRASHES]) or 0, tonumber(record[LOSSES]) or 0
  local lost = how == 'loss' or how == 'restart'
  if how == 'crash' then crashes = crashes + 1 end
  if lost then losses = losses + 1 end

  -- The final state and its reason, or nothing.
  local function judge()
    if record[CANCEL] or how == 'cancelled' then return 'cancelled' end
    if how == 'crash' and crashes >= max_crashes then return 'dead_letter', 'poisoned' end
    if lost and losses >= max_losses then return 'dead_letter', 'lost' end
    if how == 'dead' then
      return 'dead_letter', string.find(body, '^[^\n]*"kind":"corrupt"') and 'corrupt' or nil
    end
  end
  local function remember(entry)
    local hist = record[HIST] and record[HIST] .. '\n' .. entry or entry
    local _, breaks = string.gsub(hist, '\n', '')
    while breaks >= 20 or (#hist > 65536 and breaks > 0) do
      hist = string.sub(hist, string.find(hist, '\n', 1, true) + 1)
      breaks = breaks - 1
    end
    return hist
  end
  local function schedule(prio, due)
    local scheduled = root .. '@scheduled@'
    local first = call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')
    call('ZADD', scheduled, us(due), prio .. record[TY] .. '\31' .. id)
    if not first[1] or due < tonumber(first[2]) then call('PUBLISH', root .. '@due@', us(due)) end
  end

  -- What a handler gave back has started once and expires no more. What was taken back counts as never started.
  local function wait_on()
    local expires = call('HGET', key, 'exp')
    if not expires then return end
    expires = tonumber(expires)
    if how == 'release' then
      call('HDEL', key, 'exp')
    elseif expires and expires > -math.huge and expires < math.huge then
      local first = redis.pcall('ZRANGE', root .. '@expiries@', 0, 0, 'WITHSCORES')
      redis.pcall('ZADD', root .. '@expiries@', us(expires), id)
      if not first[1] or expires < tonumber(first[2]) then call('PUBLISH', root .. '@due@', us(expires)) end
    end
  end

  local state, reason = judge()
  if body == '' and (state or lost) then body = line(state == 'cancelled' and state or 'lost', record, token) end
  if how == 'crash' then call('HSET', key, 'crashes', crashes) end
  if lost then call('HSET', key, 'losses', losses) end
  if state then return finish(id, record, token, state, body, reason, ttl) end

  local prio = string.sub(record[K], 1, 1)
  call('HDEL', key, 'tok')
  if how == 'release' or how == 'return' then
    local attempt = math.max(0, (tonumber(record[ATT]) or 1) - 1)
    call('HSET', key, 'last', token, 'att', attempt)
    if attempt == 0 then wait_on() end
  elseif body ~= '' then
    call('HSET', key, 'last', token, 'hist', remember(string.match(body, '^[^\n]*')))
  else
    call('HSET', key, 'last', token)
  end
  if how == 'retry' or (how == 'crash' and crashes > 1) or (how == 'release' and delay > 0) then
    call('HSET', key, 'st', how == 'release' and 'scheduled' or 'retrying', 'k', prio .. us(now + delay))
    schedule(prio, now + delay)
  else
    call('HSET', key, 'st', 'pending')
    arrive(record[TY], prio, tonumber(string.sub(record[K], 2)), id)
  end
end
local function conclude(id, record, token, how, body, delay, ttl)
  owe(running, record[TY], -1)
  if how == 'completed' then return finish(id, record, token, how, body, nil, ttl) end
  go_on(id, record, token, how, body, delay, ttl)
end
