-- The constants of StoreRules, in the order of its packed form; a body calls load_rules before anything that needs them.
local head_start, max_crashes, max_losses, result_ttl, key_ttl, lease
local function load_rules(packed)
  local a, b, c, d, e, f = string.match(packed, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  head_start, max_crashes, max_losses = tonumber(a), tonumber(b), tonumber(c)
  result_ttl, key_ttl, lease = tonumber(d), tonumber(e), tonumber(f)
end
