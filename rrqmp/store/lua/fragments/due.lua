-- next_due(): the earliest due time, or false.
local function next_due()
  local first = call('ZRANGE', root .. '@scheduled@', 0, 0, 'WITHSCORES')[2]
  return first and tonumber(first) or false
end
