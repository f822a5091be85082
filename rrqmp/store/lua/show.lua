-- One record in full, where its id lies, and its first children.
-- KEYS 1 meta HASH
-- ARGV 1 id
-- ARGV 2 most children to list (number)
-- RETURNS nil (unknown) or {fields (flat; the checkpoint as its length), due (us) or nil, 1 if its id is ready,
-- RETURNS   number of children, ids of the first}
-- RULE docs/architecture.md, "Keys": promotion moves the id and leaves the record as it is
-- USES start
local id = ARGV[1]
local fields = redis.pcall('HGETALL', root .. '@activity@' .. id)
if fields.err then return {{}, false, 0, 0, {}} end
if not fields[1] then return false end
local record = {}
for i = 1, #fields, 2 do
  if fields[i] == 'check' then fields[i + 1] = #fields[i + 1] .. '' end
  record[fields[i]] = fields[i + 1]
end
local due, ready = false, false
if record.ty and record.k then
  due = redis.pcall('ZSCORE', root .. '@scheduled@', string.sub(record.k, 1, 1) .. record.ty .. '\31' .. id)
  ready = redis.pcall('ZSCORE', root .. '@ready@' .. record.ty, id)
end
local children = root .. '@children@' .. id
local number, first = redis.pcall('ZCARD', children), {}
if type(number) ~= 'number' then number = 0 end
if number > 0 then first = call('ZRANGE', children, 0, ARGV[2] - 1) end
return {fields, type(due) == 'string' and tonumber(due), type(ready) == 'string' and 1 or 0, number, first}
