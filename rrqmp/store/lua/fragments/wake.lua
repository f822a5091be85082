-- signal(type, n): n more wake tokens, never more than BOUND in all. Only for a type that has a head; it looks at the gates.
local BOUND = 32
local function signal(type_name, n)
  local wake = root .. '@wake@' .. type_name
  local lying = redis.pcall('LLEN', wake)
  if type(lying) ~= 'number' then
    call('DEL', wake)
    lying = 0
  end
  local more = math.min(n, BOUND - lying)
  if more < 1 or room(type_name) <= 0 then return end
  local tokens = {}
  for i = 1, more do tokens[i] = 1 end
  call('RPUSH', wake, unpack(tokens))
end
-- rouse(type): one token, if there is work, room, and no token yet.
local function rouse(type_name)
  if call('ZSCORE', root .. '@heads@', type_name) and redis.pcall('LLEN', root .. '@wake@' .. type_name) == 0 then
    signal(type_name, 1)
  end
end
