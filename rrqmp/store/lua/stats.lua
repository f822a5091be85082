-- The counts of a queue, as they are kept.
-- KEYS 1 meta HASH
-- RETURNS {count (flat), active (flat), number scheduled, number of dead letters}
-- RULE docs/architecture.md, "Keys"
-- USES start
return {call('HGETALL', root .. '@count@'), call('HGETALL', root .. '@active@'), call('ZCARD', root .. '@scheduled@'),
  call('ZCARD', root .. '@dead@')}
