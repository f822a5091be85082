-- What a script owes to counters and ready sets: noted by id, written once a type.
local arrivals, waiting, running, touched = {}, {}, {}, {}
-- Scores of heads that are known without asking: of types to which nothing was added, what is first now; of types from
-- which nothing was taken, what was first before (infinite where nothing was), and the least that was added.
local next_heads, heads_before, least = {}, {}, {}
local function owe(account, name, n) account[name] = (account[name] or 0) + n end
-- An id whose record says so already becomes ready.
local function arrive(type_name, prio, score, id)
  local list = arrivals[type_name]
  if not list then
    list = {}
    arrivals[type_name] = list
  end
  list[#list + 1] = us(score)
  list[#list + 1] = id
  least[type_name] = math.min(score, least[type_name] or score)
  owe(waiting, type_name .. '\31' .. prio, 1)
end
-- Counters are written by pcall: a stranger's value there must not stop a write phase.
local function add(key, account)
  for field, n in pairs(account) do
    if n ~= 0 then
      local left = redis.pcall('HINCRBY', key, field, n)
      if left == 0 then redis.pcall('HDEL', key, field) end
    end
  end
end
-- head(type): writes the score of the first into `heads`; false if the type has run empty.
local function head(type_name)
  local before = heads_before[type_name]
  if before then
    if least[type_name] < before then call('ZADD', root .. '@heads@', us(least[type_name]), type_name) end
    return true
  end
  local score = not arrivals[type_name] and next_heads[type_name]
    or call('ZRANGE', root .. '@ready@' .. type_name, 0, 0, 'WITHSCORES')[2]
  if score then
    call('ZADD', root .. '@heads@', score, type_name)
    return true
  end
  call('ZREM', root .. '@heads@', type_name)
  call('DEL', root .. '@wake@' .. type_name)
  return false
end
-- Pays all that is owed, then signals what has become claimable: by arrival, or because a limit was freed.
local function pay()
  for type_name, list in pairs(arrivals) do
    call('ZADD', root .. '@ready@' .. type_name, unpack(list))
    owe(touched, type_name, #list / 2)
  end
  add(root .. '@count@', waiting)
  add(root .. '@active@', running)
  for type_name, n in pairs(touched) do
    if head(type_name) and n > 0 then signal(type_name, n) end
  end
  if gated then
    for type_name, n in pairs(running) do
      if n < 0 and call('ZSCORE', root .. '@heads@', type_name) then signal(type_name, -n) end
    end
  end
end
