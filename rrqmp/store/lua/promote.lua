-- Moves what has become due from `scheduled` to the ready sets, and ends what has expired before its start.
-- KEYS 1 meta HASH
-- ARGV 1 most to promote; half as many may expire (number)
-- ARGV 2 packed rules (StoreRules.packed)
-- RETURNS {promoted, now (us), next due or expiring (us) or nil, expired}
-- RULE docs/architecture.md, "Scripts": a score is the due time less the priority's head start
-- USES start rules gates wake ledger record wishes finish withdraw expiry lapsed promotion due
local most = tonumber(ARGV[1])
load_rules(ARGV[2])
local ids, lapsed = lapsed_members(math.ceil(most / 2))
local members, number = {}, 0
for _, member in ipairs(due_members(most)) do
  -- What is due and has expired ends.
  if not lapsed[member[5]] then members[#members + 1] = member end
end
call('EXISTS', root .. '@heads@', root .. '@count@')

expire(ids, lapsed)
for _ in pairs(lapsed) do number = number + 1 end
promote(members)
index_ends()
pay()
return {#members, now, next_due(), number}
