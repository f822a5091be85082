-- Reads how nodes describe themselves.
-- KEYS 1 meta HASH
-- ARGV 1+ nodes
-- RETURNS a description (JSON) or nil for each
-- RULE docs/architecture.md, "Keys"
-- USES start
local told = {}
for i, node in ipairs(ARGV) do
  local about = redis.pcall('GET', root .. '@about@' .. node)
  told[i] = type(about) == 'string' and about
end
return told
