-- Moves what has become due from `scheduled` to the ready sets.
-- KEYS 1 meta HASH
-- ARGV 1 most to promote (number)
-- ARGV 2 packed rules (StoreRules.packed)
-- RETURNS {promoted, now (us), next due (us) or nil}
-- RULE docs/architecture.md, "Scripts": a score is the due time less the priority's head start
-- USES start rules gates wake ledger promotion due
load_rules(ARGV[2])
local members = due_members(tonumber(ARGV[1]))
call('EXISTS', root .. '@heads@', root .. '@count@')
promote(members)
pay()
return {#members, now, next_due()}
