"""Each protecting rule, and how it is taken out of the scripts."""

from __future__ import annotations

from tests.store.explorer.shelf import Removal

REMOVALS = (
    Removal(
        "a call that was heard before is answered, not done again",
        [("if held_inc == inc and held_seq == seq then", "if false then")],
    ),
    Removal(
        "what a slot holds and does not name goes back",
        [
            (
                "for id in string.gmatch(held_ids or '', '%S+') do\n  local record = records[id] or read(id)",
                "for id in string.gmatch('', '%S+') do\n  local record = records[id] or read(id)",
            )
        ],
    ),
    Removal(
        "a later process of the slot supersedes a late call",
        [("if held_inc and (held_inc > inc or (held_inc == inc and held_seq > seq)) then", "if false then")],
    ),
    Removal(
        "a node claims only under an unexpired lease",
        [("local alive = expiry and tonumber(expiry) >= now", "local alive = true")],
    ),
    Removal(
        "a node is fenced for good before it is reclaimed",
        [("call('ZADD', NODES, 'XX', 0, node)", "")],
    ),
    Removal(
        "what becomes ready is signalled", [("if head(type_name) and n > 0 then", "if head(type_name) and false then")]
    ),
    Removal("a limit that is freed is signalled", [("if n < 0 and call('ZSCORE'", "if false and call('ZSCORE'")]),
    Removal("a resumed type is signalled", [("then signal(type_name, BOUND) end", "then end")]),
    Removal(
        "a type that runs empty deletes its tokens",
        [("  call('DEL', root .. 'wake:' .. type_name)\n  return false", "  return false")],
    ),
    Removal(
        "leases shift when nobody could beat",
        [("if now - beat > lease / 2 or now < beat then", "if false then")],
    ),
    Removal(
        "a record of a foreign type is no record",
        [
            (
                "if not string.find(record.err, 'WRONGTYPE', 1, true) then call('HGET', key, 'st') end",
                "call('HGET', key, 'st')",
            )
        ],
    ),
    Removal(
        "a claim looks at the record before it writes",
        [("elseif fit and record[SPEC] ~= '' then", "elseif true then")],
    ),
    Removal("a settlement is checked for its token", [("and record[TOK] == token and record[TY]", "and record[TY]")]),
    Removal(
        "the heartbeat releases what vanished slots hold",
        [("if not known[slot] and order and held_ids ~= '' and #orphans < 50 then", "if false then")],
    ),
    Removal(
        "the sweep of orphans compares id and token",
        [
            (
                "  records[id] = record\n  if not concluded[id]",
                "  records[id] = record\n  concluded[id] = concluded[id] or false\n  if not concluded[id]",
            ),
            (
                "if not concluded[id] and record[ST] == 'running' and held_by",
                "if concluded[id] == nil and record[ST] == 'running' and held_by",
            ),
        ],
    ),
    Removal(
        "a cancelled attempt is not run again",
        [("if record[CANCEL] or how == 'cancelled' then", "if how == 'cancelled' then")],
    ),
    Removal(
        "a repeated submission is accepted once",
        [("local known = specs[id] or peek(ACTIVITY .. id, 'spec')", "local known = specs[id]")],
    ),
    Removal(
        "what has expired is not started",
        [("if fit and record[EXP] and has_lapsed(record) then", "if false then")],
    ),
    Removal(
        "what has started once does not expire",
        [("and (tonumber(record[ATT]) or 0) == 0 and waits(record)", "and waits(record)")],
    ),
    Removal(
        "what is taken back unstarted expires still",
        [("if attempt == 0 then wait_on() end", "")],
    ),
    Removal(
        "what a handler gives back expires no more",
        [("if how == 'release' then\n      call('HDEL', key, 'exp')", "if how == 'release' then")],
    ),
    Removal(
        "a start takes the expiry out of its index",
        [("if starting[1] then redis.pcall(", "if false then redis.pcall(")],
    ),
    Removal(
        "the timer is told of expiries",
        [("return due and expires and math.min(due, expires) or due or expires or false", "return due or false")],
    ),
    Removal(
        "what ends while it waits leaves the schedule",
        [("redis.pcall('ZREM', root .. 'scheduled', prio .. type_name .. '\\31' .. id)", "")],
    ),
    Removal(
        "a checkpoint is fenced by its token",
        [("if not runs(read(id), ARGV[2]) then return 0 end", "")],
    ),
    Removal("progress is fenced by its token", [("if runs(read(id), ARGV[i + 1])", "if true")]),
    Removal("a checkpoint goes with the end", [("call('HDEL', key, 'check')", "")]),
    Removal(
        "an index of children ends with the parent's record",
        [("redis.pcall('PEXPIRE', root .. 'children:' .. id, us(ttl))", "")],
    ),
    Removal(
        "a parent knows that it has children",
        [("redis.pcall('HSETNX', root .. 'activity:' .. parent, 'more', 1)", "")],
    ),
    Removal(
        "a late child does not make the index outlive its parent",
        [("call('PEXPIRE', children, us(math.max(family.life < 0 and result_ttl or family.life, 1000)))", "")],
    ),
    Removal(
        "a discarded parent takes its index along",
        [("call('UNLINK', root .. 'children:' .. id)", "")],
    ),
    Removal("a full queue refuses", [("if waits > most then", "if false then")]),
    Removal(
        "an end takes its cancel's order along",
        [("if node then redis.pcall('HDEL', root .. 'cancels:' .. node, id) end", "")],
    ),
    Removal(
        "only what has ended is forgotten",
        [("if found[1] and ENDED[found[1]] then", "if found[1] then")],
    ),
)
