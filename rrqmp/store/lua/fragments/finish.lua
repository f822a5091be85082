-- finish: the one place where an activity ends. Needs start, rules, ledger, record, wishes.
local ends, deaths, outcomes = {}, {}, {}
local function finish(id, record, token, state, out, reason, ttl)
  local key, wishes = root .. '@activity@' .. id, options(record[SPEC])
  -- An empty token is none: one field written, where HDEL would be one call more for every activity.
  call('HSET', key, 'st', state, 'tok', '', 'last', token, 'end', us(now), 'out', out)
  if reason then call('HSET', key, 'err', reason) end
  if state == 'dead_letter' then
    deaths[#deaths + 1] = us(now)
    deaths[#deaths + 1] = id
  else
    if ttl == 0 then
      -- Nobody who knows the options has spoken. A stranger's number may be none that PEXPIRE takes; NaN is not less.
      local seconds = wishes and type(wishes.result_ttl) == 'number' and wishes.result_ttl or result_ttl / 1000
      ttl = seconds < 2592000 and math.floor(seconds * 1000) or 2592000000
    end
    ttl = math.max(ttl, 60000)
    call('PEXPIRE', key, us(ttl))
    ends[#ends + 1] = us(now + ttl * 1000)
    ends[#ends + 1] = id
  end
  owe(outcomes, '\31' .. state, 1)
  if record[CANCEL] then
    local node = string.match(token, '^(.*)/')
    if node then redis.pcall('HDEL', root .. '@cancels@' .. node, id) end
  end
  if record[MORE] then
    call('HDEL', key, 'check')
    -- The index of its children lives as long as the record; a dead letter's goes with it.
    if state ~= 'dead_letter' then redis.pcall('PEXPIRE', root .. '@children@' .. id, us(ttl)) end
  end
  local news = (wishes or record[WATCH]) and id .. ' ' .. state .. ' ' .. (#out <= 4096 and out or '')
  if wishes then
    local owned = wishes.key and owned_key(id, record, wishes)
    if owned then
      local seconds = type(wishes.key_ttl) == 'number' and wishes.key_ttl or key_ttl / 1000
      -- A stranger's number may be more than PEXPIRE takes, and nothing here may fail; NaN is not less than 30 days.
      if not (seconds < 2592000) then seconds = 2592000 end
      call('PEXPIRE', owned, us(math.max(seconds, 60) * 1000))
    end
    if type(wishes.reply) == 'string' then call('PUBLISH', root .. '@done@' .. wishes.reply, news) end
  end
  if record[WATCH] then call('PUBLISH', root .. '@done@' .. id, news) end
end
-- The indexes of what has ended, once a script. Now and then lapsed entries go, twice as many as come on the average,
-- so that `ended` stays bounded.
local function index_ends()
  add(root .. '@count@', outcomes)
  if deaths[1] then redis.pcall('ZADD', root .. '@dead@', unpack(deaths)) end
  if not ends[1] then return end
  local ended = root .. '@ended@'
  redis.pcall('ZADD', ended, unpack(ends))
  if now % 8 == 0 then
    local lapsed = redis.pcall('ZRANGEBYSCORE', ended, '-inf', us(now), 'LIMIT', 0, #ends * 8)
    if lapsed[1] then redis.pcall('ZREM', ended, unpack(lapsed)) end
  end
end
