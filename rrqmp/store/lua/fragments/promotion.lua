-- Promotion in its two phases. Needs start, rules, ledger.
-- due_members(n): what is due now, at most n. Read phase.
local function due_members(n)
  local listed = call('ZRANGEBYSCORE', root .. '@scheduled@', '-inf', us(now), 'WITHSCORES', 'LIMIT', 0, n)
  local members = {}
  for i = 1, #listed, 2 do
    local prio, type_name, id = string.match(listed[i], '^(%d)([^\31]+)\31(.+)$')
    if prio then call('ZCARD', root .. '@ready@' .. type_name) end
    members[#members + 1] = {listed[i], tonumber(listed[i + 1]), prio, type_name, id}
  end
  return members
end
-- A member that cannot be read is a stranger's: it goes, and nothing takes its place. Write phase, before `pay`.
local function promote(members)
  if not members[1] then return end
  local names = {}
  for i, member in ipairs(members) do names[i] = member[1] end
  call('ZREM', root .. '@scheduled@', unpack(names))
  for _, member in ipairs(members) do
    local due, prio = member[2], member[3]
    if prio then arrive(member[4], prio, due - head_start * prio, member[5]) end
  end
end
