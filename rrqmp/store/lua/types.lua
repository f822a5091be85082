-- Names the types of which something is ready, a bite a call; one that comes or goes meanwhile may be missed.
-- KEYS 1 meta HASH
-- ARGV 1 cursor of the call before (0 first)
-- RETURNS {cursor (0: that was all), type, ...}
-- RULE docs/architecture.md, "Reading": no list costs the server more than its bite
-- USES start
local scanned = call('ZSCAN', root .. '@heads@', ARGV[1], 'COUNT', 500)
local names = {scanned[1]}
for i = 1, #scanned[2], 2 do names[#names + 1] = scanned[2][i] end
return names
