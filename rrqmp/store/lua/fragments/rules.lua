-- The constants of StoreRules, in the order of its packed form; a body calls load_rules before anything that needs them.
local head_start, max_crashes, max_losses, result_ttl, key_ttl, lease
local function load_rules(packed)
  head_start, max_crashes, max_losses, result_ttl, key_ttl, lease =
    string.match(packed, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  head_start, max_crashes, max_losses = tonumber(head_start), tonumber(max_crashes), tonumber(max_losses)
  result_ttl, key_ttl, lease = tonumber(result_ttl), tonumber(key_ttl), tonumber(lease)
end
