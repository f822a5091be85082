"""Who is woken by what, without a server: the decisions behind both clients."""

from __future__ import annotations

from typing import Any

import pytest

from rrqmp.client.handle import ActivityHandle
from rrqmp.client.waiting_room import WaitingRoom
from rrqmp.model.codec import untyped
from rrqmp.model.ids import new_activity_id
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.watch import WATCH_BITE, WatchReply
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import Notice, NoticeKind

KEYS = QueueKeys("q")


def handle(activity_id: str = "") -> ActivityHandle[Any]:
    return ActivityHandle(None, KEYS, activity_id or new_activity_id(), "render", untyped, is_new=True)


def subscribed(channel: str) -> Notice:
    return Notice(NoticeKind.SUBSCRIBED, channel)


def done(one: ActivityHandle[Any]) -> Notice:
    return Notice(NoticeKind.MESSAGE, KEYS.done_channel(one.activity_id), f"{one.activity_id} completed {{}}".encode())


@pytest.fixture
def room() -> WaitingRoom:
    return WaitingRoom()


def test_a_stranger_is_subscribed_to_then_asked_for_then_told(room: WaitingRoom) -> None:
    one, told = handle(), list[Any]()
    own, channel = room.expect([one], told.append)
    assert (own, channel) == (KEYS.done_channel(room.word), KEYS.done_channel(one.activity_id))
    assert room.questions() == []
    room.take(subscribed(channel))
    [(keys, ids)] = room.questions()
    assert (keys, list(ids)) == (KEYS, [one.activity_id])
    room.answer(ids, [WatchReply(ActivityStatus.RUNNING, b"")])
    assert not told
    room.take(done(one))
    assert told == [one]
    assert room.channels_to_leave() == [channel]


def test_what_was_announced_over_a_standing_channel_needs_no_question(room: WaitingRoom) -> None:
    assert room.reply_for(KEYS) == ""
    room.expect([handle()], list[Any]().append)
    room.take(Notice(NoticeKind.CONNECTED))
    room.take(subscribed(KEYS.done_channel(room.word)))
    assert room.reply_for(KEYS) == room.word
    one, told = handle(), list[Any]()
    room.announce(one)
    room.questions()
    assert room.expect([one], told.append) == []
    assert room.questions() == []
    room.take(done(one))
    assert told == [one]


def test_a_second_handle_of_one_activity_is_asked_for(room: WaitingRoom) -> None:
    first = handle()
    second = handle(first.activity_id)
    room.announce(first)
    room.announce(second)
    assert KEYS.done_channel(first.activity_id) not in room.expect([first], list[Any]().append)
    assert KEYS.done_channel(first.activity_id) in room.expect([second], list[Any]().append)


def test_an_end_that_was_told_before_anybody_waited_is_kept(room: WaitingRoom) -> None:
    one, told = handle(), list[Any]()
    room.announce(one)
    room.take(done(one))
    assert room.expect([one], told.append) == []
    assert told == [one]


def test_after_a_loss_all_are_asked_for_and_what_was_announced_before_is_a_stranger(room: WaitingRoom) -> None:
    waited, announced = handle(), handle()
    room.announce(announced)
    room.expect([waited], list[Any]().append)
    room.take(Notice(NoticeKind.CONNECTED))
    assert [list(ids) for _, ids in room.questions()] == [[waited.activity_id]]
    assert KEYS.done_channel(announced.activity_id) in room.expect([announced], list[Any]().append)


def test_questions_come_in_bites(room: WaitingRoom) -> None:
    room.expect([handle() for _ in range(WATCH_BITE + 1)], list[Any]().append)
    room.cast_net()
    assert [len(ids) for _, ids in room.questions()] == [WATCH_BITE, 1]
    assert room.questions() == []


def test_who_gives_up_leaves_those_who_wait_for_the_same(room: WaitingRoom) -> None:
    one, first, second = handle(), list[Any](), list[Any]()
    give_up, stay = first.append, second.append
    room.expect([one], give_up)
    room.expect([one], stay)
    assert room.forget([one], give_up) == []
    room.take(done(one))
    assert (first, second) == ([], [one])
    assert room.forget([one], stay) == []


def test_the_last_to_give_up_has_the_channel_left(room: WaitingRoom) -> None:
    one, sink = handle(), list[Any]().append
    room.expect([one], sink)
    assert room.forget([one], sink) == [KEYS.done_channel(one.activity_id)]
    room.cast_net()
    assert room.questions() == []


def test_an_unknown_id_ends_the_wait(room: WaitingRoom) -> None:
    one, told = handle(), list[Any]()
    room.expect([one], told.append)
    room.answer([one.activity_id], [WatchReply(None, b"")])
    assert told == [one]
    assert one._ended is not None
    assert one._ended.status is None


def test_closing_wakes_all_without_an_end(room: WaitingRoom) -> None:
    one, told = handle(), list[Any]()
    room.expect([one], told.append)
    room.close()
    assert told == [one]
    assert one._ended is None


@pytest.mark.parametrize("message", [b"", b"x", b"id nonsense {}", b"\xff\xff \xff {}"])
def test_foreign_bytes_in_a_notice_are_said_and_change_nothing(room: WaitingRoom, message: bytes) -> None:
    one, told = handle(), list[Any]()
    room.expect([one], told.append)
    with pytest.raises(ValueError, match=r".*"):
        room.take(Notice(NoticeKind.MESSAGE, "c", message))
    assert not told
