-- finish: the one place where an activity ends. Needs start, rules, ledger, record.
local ends, deaths, outcomes = {}, {}, {}
-- An attempt's line, made here where no process could report one.
local function line(kind, record, token)
  local node, slot = string.match(token, '^(.*)/(%d+)')
  return string.format('{"kind":"%s","attempt":%d,"ended_at":%d.%06d%s}', kind, tonumber(record[ATT]) or 0,
    math.floor(now / 1000000), now % 1000000,
    node and string.format(',"node":%s,"slot":%s', cjson.encode(node), slot) or '')
end
local function announce(channel, id, state, out)
  call('PUBLISH', root .. '@done@' .. channel, id .. ' ' .. state .. ' ' .. (#out <= 4096 and out or ''))
end
-- The idempotency key of this record's submission, if the record still owns it.
local function owned_key(id, record, wishes)
  if type(wishes.key) ~= 'string' or wishes.key == '' then return nil end
  local key = root .. '@idempotency@' .. #record[TY] .. ':' .. record[TY] .. ':' .. wishes.key
  return redis.pcall('GET', key) == id and key or nil
end
local function finish(id, record, token, state, out, reason, ttl)
  local key = root .. '@activity@' .. id
  call('HDEL', key, 'tok')
  call('HSET', key, 'st', state, 'out', out, 'end', us(now), 'last', token)
  if reason then call('HSET', key, 'err', reason) end
  if state == 'dead_letter' then
    deaths[#deaths + 1] = us(now)
    deaths[#deaths + 1] = id
  else
    ttl = math.max(ttl > 0 and ttl or result_ttl, 60000)
    call('PEXPIRE', key, us(ttl))
    ends[#ends + 1] = us(now + ttl * 1000)
    ends[#ends + 1] = id
  end
  owe(outcomes, '\31' .. state, 1)
  if record[CANCEL] then
    local node = string.match(token, '^(.*)/')
    if node then redis.pcall('HDEL', root .. '@cancels@' .. node, id) end
  end
  local wishes = options(record[SPEC])
  if wishes then
    local owned = owned_key(id, record, wishes)
    if owned then
      local seconds = type(wishes.key_ttl) == 'number' and wishes.key_ttl or key_ttl / 1000
      call('PEXPIRE', owned, us(math.max(seconds, 60) * 1000))
    end
    if type(wishes.reply) == 'string' and wishes.reply ~= '' then announce(wishes.reply, id, state, out) end
  end
  if record[WATCH] then announce(id, id, state, out) end
end
-- The indexes of what has ended, once a script; two lapsed ones go for each that comes, so that `ended` stays bounded.
local function index_ends()
  add(root .. '@count@', outcomes)
  if deaths[1] then redis.pcall('ZADD', root .. '@dead@', unpack(deaths)) end
  if not ends[1] then return end
  local ended = root .. '@ended@'
  redis.pcall('ZADD', ended, unpack(ends))
  local lapsed = redis.pcall('ZRANGEBYSCORE', ended, '-inf', us(now), 'LIMIT', 0, #ends)
  if lapsed[1] then redis.pcall('ZREM', ended, unpack(lapsed)) end
end
