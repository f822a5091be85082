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
)
