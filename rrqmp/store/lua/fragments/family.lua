-- The index of an activity's children in this queue: as old as its record, and no longer than a few times the number of
-- children that have a record themselves. Needs start, rules.
local families = {}
-- Read phase.
local function meet(parent)
  if families[parent] then return end
  local children = root .. '@children@' .. parent
  local size = redis.pcall('ZCARD', children)
  if type(size) ~= 'number' then
    -- A stranger's value stays, and there is no index.
    if not string.find(size.err, 'WRONGTYPE', 1, true) then call('ZCARD', children) end
    size = -1
  end
  families[parent] = {size = size, life = call('PTTL', root .. '@activity@' .. parent), entries = {}}
end
local function adopt(parent, id, stamp)
  local entries = families[parent].entries
  entries[#entries + 1] = us(stamp)
  entries[#entries + 1] = id
end
-- Write phase, once a script.
local function keep_families()
  for parent, family in pairs(families) do
    local children = root .. '@children@' .. parent
    if family.size >= 0 then
      call('ZADD', children, unpack(family.entries))
      -- Where the parent is unfinished, its end finds the mark and sets the index its time.
      if family.life ~= -2 then redis.pcall('HSETNX', root .. '@activity@' .. parent, 'more', 1) end
      if family.life ~= -1 then
        -- Ended, or not known here: it lives in another queue, and nobody tells when it ends.
        call('PEXPIRE', children, us(math.max(family.life < 0 and result_ttl or family.life, 1000)))
      end
    end
    if family.size > 1000 then
      -- Two looks for each entry: where half of them have no record, as many go as come.
      local gone = {}
      for _, id in ipairs(call('ZRANDMEMBER', children, #family.entries + 2)) do
        if call('EXISTS', root .. '@activity@' .. id) == 0 then gone[#gone + 1] = id end
      end
      if gone[1] then call('ZREM', children, unpack(gone)) end
    end
  end
end
