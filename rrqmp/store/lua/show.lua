-- One record in full, and where its id lies.
-- KEYS 1 meta HASH
-- ARGV 1 id
-- RETURNS nil (unknown) or {fields (flat), due (us) or nil, 1 if its id is ready}
-- RULE docs/architecture.md, "Keys": promotion moves the id and leaves the record as it is
-- USES start
local id = ARGV[1]
local fields = redis.pcall('HGETALL', root .. '@activity@' .. id)
if fields.err then return {{}, false, 0} end
if not fields[1] then return false end
local record = {}
for i = 1, #fields, 2 do record[fields[i]] = fields[i + 1] end
local due, ready = false, false
if record.ty and record.k then
  due = redis.pcall('ZSCORE', root .. '@scheduled@', string.sub(record.k, 1, 1) .. record.ty .. '\31' .. id)
  ready = redis.pcall('ZSCORE', root .. '@ready@' .. record.ty, id)
end
return {fields, type(due) == 'string' and tonumber(due), type(ready) == 'string' and 1 or 0}
