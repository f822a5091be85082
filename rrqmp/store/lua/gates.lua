-- Tells what an operator has closed, and how many of each type run.
-- KEYS 1 meta HASH
-- RETURNS {{paused types, * for all}, limits (flat), active (flat)}
-- RULE docs/architecture.md, "Keys"
-- USES start
return {call('SMEMBERS', root .. '@paused@'), call('HGETALL', root .. '@limits@'), call('HGETALL', root .. '@active@')}
