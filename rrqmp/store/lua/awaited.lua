-- Whether anything that may be claimed stands in front of what waits for it, or for something else.
-- KEYS 1 meta HASH
-- ARGV 1 number of types served
-- ARGV 2+ types served, then ids of running activities whose handlers wait
-- RETURNS 1 or 0
-- RULE docs/architecture.md, "Blocked slots": the last of the extra workers are for what somebody waits for
-- USES start gates record
local serves, latest = tonumber(ARGV[1]), nil
for i = 2 + serves, #ARGV do
  local record = read(ARGV[i])
  local score = record[ST] == 'running' and tonumber(string.sub(record[K], 2))
  if score and (not latest or score > latest) then latest = score end
end
if not latest or serves < 1 then return 0 end
for i, score in ipairs(call('ZMSCORE', root .. '@heads@', unpack(ARGV, 2, 1 + serves))) do
  if score and tonumber(score) < latest and room(ARGV[1 + i]) > 0 then return 1 end
end
return 0
