-- quarantine: what lies in a ready set and is no waiting record of that type, as {type, id, record}. Needs start, ledger,
-- record, finish. A record that is somewhere else in its life is left alone; anything other becomes a dead letter for
-- people to look at. Before `index_ends` and `pay`; recount after them.
local function quarantine(strangers)
  local ELSEWHERE = {running = true, completed = true, cancelled = true, dead_letter = true}
  for _, stranger in ipairs(strangers) do
    local type_name, id, record = stranger[1], stranger[2], stranger[3]
    call('ZREM', root .. '@ready@' .. type_name, id)
    owe(touched, type_name, 0)
    if not (ELSEWHERE[record[ST]] and record[TY]) then
      local key = root .. '@activity@' .. id
      local spec = record[SPEC]
      if not record[K] then
        spec = redis.pcall('GETRANGE', key, 0, 8191)
        if type(spec) ~= 'string' then spec = '' end
        call('DEL', key)
      end
      local out = line('corrupt', record, '')
      call('HSET', key, 'st', 'dead_letter', 'ty', type_name, 'spec', spec, 'k', record[K] or '1' .. us(now),
        'err', 'corrupt', 'out', out, 'end', us(now))
      call('PERSIST', key)
      deaths[#deaths + 1] = us(now)
      deaths[#deaths + 1] = id
      owe(outcomes, '\31dead_letter', 1)
      if record[WATCH] then call('PUBLISH', root .. '@done@' .. id, id .. ' dead_letter ' .. out) end
    end
  end
end
-- No record says which priority was counted: the sum over the type's priorities is made to agree with its ready set.
local function recount(strangers)
  for _, stranger in ipairs(strangers) do
    local type_name, found = stranger[1], {}
    local surplus = -call('ZCARD', root .. '@ready@' .. type_name)
    for prio = 0, 9 do
      local n = redis.pcall('HGET', root .. '@count@', type_name .. '\31' .. prio)
      found[prio] = type(n) == 'string' and tonumber(n) or 0
      surplus = surplus + found[prio]
    end
    for prio = 0, 9 do
      local n = math.max(0, math.min(surplus, found[prio]))
      if n > 0 then add(root .. '@count@', {[type_name .. '\31' .. prio] = -n}) end
      surplus = surplus - n
    end
  end
end
