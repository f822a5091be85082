-- Names the nodes, with the end of each one's lease.
-- KEYS 1 meta HASH
-- RETURNS {now (us), node, expiry (us, 0 fenced), ...}
-- RULE docs/architecture.md, "Keys"
-- USES start
return {now, unpack(call('ZRANGE', root .. '@nodes@', 0, 999, 'WITHSCORES'))}
