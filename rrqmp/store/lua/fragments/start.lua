-- The root of all keys, and the time: read once, first, in microseconds. Times leave a script only through `us`, since
-- Lua's own number format drops digits.
local call = redis.call
local root = string.sub(KEYS[1], 1, -1 - #'@meta@')
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function us(time) return string.format('%d', time) end
