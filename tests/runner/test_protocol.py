"""The protocol, byte by byte, against a runner process: what goes in, what must come out."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.processes.harness import eventually
from tests.runner.harness import Running, Wire, cancel, frame, request

FRAME_MOST = 16 * 2**20


def test_request_as_captured_from_the_orchestrator_is_answered_in_bytes(wire: Wire) -> None:
    body = (
        b'{"type":"request","payload":{"protocol_version":"2","request_id":"87cf4c66-ae9a-4264-a9a7-436dc5711cee",'
        b'"job_id":"c4b8d110-6679-485f-a72b-65715e3365bf","function_name":"echo","params":{"n":1,"text":"h\xc3\xa9"},'
        b'"context":{"job_id":"c4b8d110-6679-485f-a72b-65715e3365bf","attempt":1,'
        b'"enqueue_time":"2026-11-21T16:06:54.937232059Z","queue_name":"rrq:queue:default",'
        b'"deadline":"2126-11-21T16:07:00.051508012Z","trace_context":null,"correlation_context":null,'
        b'"worker_id":"rrq_worker_19005_9cb509"}}}'
    )
    wire.socket.sendall(len(body).to_bytes(4, "big") + body)
    assert wire.read_body() == (
        b'{"type":"response","payload":{"job_id":"c4b8d110-6679-485f-a72b-65715e3365bf",'
        b'"request_id":"87cf4c66-ae9a-4264-a9a7-436dc5711cee","status":"success",'
        b'"result":{"n":1,"text":"h\xc3\xa9"}}}'
    )


def test_handler_is_told_all_that_the_request_says(wire: Wire) -> None:
    answer = wire.ask(
        "describe",
        job_id="j",
        request_id="r",
        context={
            "attempt": 3,
            "trace_context": {"traceparent": "00-1-2-01"},
            "correlation_context": {"tenant": "acme"},
            "enqueue_time": "2026-11-21T16:06:54.937232059Z",
        },
    )
    said = answer["result"]
    assert said.pop("pid") > 1
    assert said == {
        "job_id": "j", "request_id": "r", "attempt": 3, "queue": "rrq:queue:default",
        "enqueued": "2026-11-21 16:06:54.937232+00:00", "trace": {"traceparent": "00-1-2-01"},
        "correlation": {"tenant": "acme"}, "worker_id": "rrq_worker_1_abcdef",
    }  # fmt: skip


def test_fields_that_may_be_left_out_may_be_left_out(wire: Wire) -> None:
    context = {"job_id": "j", "attempt": 1, "enqueue_time": "2026-11-21T16:06:54Z", "queue_name": "q"}
    wire.send({"type": "request", "payload": {
        "request_id": "r", "job_id": "j", "function_name": "echo", "context": context, "new": [1]}, "more": 1,
    })  # fmt: skip
    assert wire.read() == {"job_id": "j", "request_id": "r", "status": "success", "result": {}}


@pytest.mark.parametrize("params", [{}, {"a": [1, 2.5, None, True, "\u2028\U0001f600"]}, {"n": 2**63}, None])
def test_params_come_back_as_they_went(wire: Wire, params: Any) -> None:
    assert wire.ask("echo", params)["result"] == (params or {})
    assert wire.ask("echo_later", params)["result"] == (params or {})


@pytest.mark.parametrize("size", [60_000, 70_000, 3_000_000])
def test_large_bodies_come_through(wire: Wire, size: int) -> None:
    assert wire.ask("echo", {"x": "y" * size})["result"] == {"x": "y" * size}


def test_frame_of_just_16_mib_comes_through_both_ways(wire: Wire) -> None:
    sent = request("echo", {"x": ""})
    room = FRAME_MOST - len(frame(sent)) + 4
    sent["payload"]["params"]["x"] = "y" * room
    bytes_sent = frame(sent)
    assert bytes_sent[:4] == FRAME_MOST.to_bytes(4, "big")
    wire.socket.sendall(bytes_sent)
    assert len(wire.read()["result"]["x"]) == room


@pytest.mark.parametrize(
    ("how", "arguments", "expected"),
    [
        ("success", [[1]], {"status": "success", "result": [1]}),
        ("failure", ["no"], {"status": "error", "error": {"message": "no"}}),
        ("error", ["no"], {"status": "error", "error": {"message": "no"}}),
        ("retry", ["later"], {"status": "retry", "error": {"message": "later"}}),
        ("retry", ["later", 0.25], {"status": "retry", "error": {"message": "later"}, "retry_after_seconds": 0.25}),
        ("retry_after", ["later", 60], {"status": "retry", "error": {"message": "later"}, "retry_after_seconds": 60.0}),
        ("timeout", ["slow"], {"status": "timeout", "error": {"message": "slow", "type": "timeout"}}),
        ("cancelled", ["gone"], {"status": "error", "error": {"message": "gone", "type": "cancelled"}}),
        ("handler_not_found", ["x"], {"status": "error", "error": {"message": "x", "type": "handler_not_found"}}),
    ],
)
def test_outcome_stands_on_the_wire_as_the_protocol_has_it(
    wire: Wire, how: str, arguments: list[Any], expected: dict[str, Any]
) -> None:
    answer = wire.ask("outcome", {"how": how, "with": arguments})
    del answer["job_id"], answer["request_id"]
    assert answer == expected


@pytest.mark.parametrize(
    ("params", "status", "kind", "words", "delay"),
    [
        ({"kind": "retry"}, "retry", None, "come back", None),
        ({"kind": "retry", "delay": 2}, "retry", None, "come back", 2.0),
        ({"kind": "non_retry"}, "error", "handler_not_found", "never", None),
        ({"kind": "value"}, "error", None, "ValueError: deliberate (at acts_of_runner.py:", None),
        ({"kind": "exit"}, "error", None, "SystemExit: 3", None),
        # An orchestrator never retries what is called a timeout, and this is none of ours.
        ({"kind": "timeout"}, "error", None, "TimeoutError: the socket was slow", None),
    ],
)
def test_what_a_handler_raises_becomes_an_outcome(
    wire: Wire, params: dict[str, Any], status: str, kind: str | None, words: str, delay: float | None
) -> None:
    answer = wire.ask("raises", params)
    assert answer["status"] == status
    assert answer["error"].get("type") == kind
    assert answer["error"]["message"].startswith(words)
    assert answer.get("retry_after_seconds") == delay


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nan", "result: nan is not JSON"),
        ("set", "result: a set is not JSON"),
        ("large", "result: 17825794 bytes of JSON, at most 16777216"),
        ("object", "result: object is nothing that JSON can hold"),
        ("raising", "RuntimeError: its own fault"),
        # At each of these the orchestrator would close the connection, and all that is in flight on it would fail.
        ("beyond a double", "an integer of 401 digits"),
        ("raw beyond a double", "a Raw that is no JSON: Number out of range"),
        ("raw and more", "a Raw that is no JSON"),
        ("deep", "nested more than 100 deep"),
    ],
)
def test_result_that_cannot_be_sent_is_an_error_that_says_so(wire: Wire, what: str, words: str) -> None:
    answer = wire.ask("unsendable", {"what": what})
    assert (answer["status"], answer["error"]["type"]) == ("error", "result_not_sendable")
    assert words in answer["error"]["message"]


def test_what_the_orchestrator_can_just_read_is_sent(wire: Wire) -> None:
    assert wire.ask("at_the_edge")["result"]["digits"] == 10**308
    assert wire.ask("raw")["result"] == {"a": [1]}


def test_answer_bears_the_ids_of_its_request_whatever_the_handler_says(wire: Wire) -> None:
    assert wire.ask("wrong_ids")["result"] == 1


def test_delay_that_is_no_number_is_an_error_and_not_a_bad_frame(wire: Wire) -> None:
    answer = wire.ask("wrong_delay")
    assert answer["status"] == "error"
    assert "retry_after_seconds is 'soon'" in answer["error"]["message"]


def test_unknown_function_is_handler_not_found(wire: Wire) -> None:
    error = wire.ask("missing")["error"]
    assert error == {"message": "No handler registered for function 'missing'", "type": "handler_not_found"}


def test_function_name_is_data_and_nothing_to_look_up_in_a_module(wire: Wire) -> None:
    assert wire.ask("os.getpid")["error"]["type"] == "handler_not_found"


def test_names_of_a_mebibyte_cost_no_worker_and_stall_nobody(runner: Running, wire: Wire) -> None:
    long = "\xe9" * 2**20
    asked = [wire.ask("describe"), wire.ask("describe", job_id=long), wire.ask("describe", request_id=long)]
    assert wire.ask(long)["error"]["type"] == "handler_not_found"
    assert all(Path(f"/proc/{one['result']['pid']}").exists() for one in asked)
    # An answer with the name in it is no longer than a frame may be.
    assert wire.ask("f" * (15 * 2**20), seconds=-1)["error"]["type"] == "timeout"
    assert wire.ask("asleep_in_c", job_id=long, seconds=0.3)["status"] == "timeout"


def test_other_protocol_version_is_an_error_and_the_connection_stays(wire: Wire) -> None:
    assert "Unsupported protocol version '3'" in wire.ask("echo", protocol_version="3")["error"]["message"]
    assert wire.ask("echo")["status"] == "success"


def test_activity_handler_serves_the_runner_with_its_payload_checked(wire: Wire) -> None:
    assert wire.ask("typed", {"a": 1, "b": 2}, context={"attempt": 10})["result"] == 13
    assert "payload: Expected `int`, got `str`" in wire.ask("typed", {"a": "x"})["error"]["message"]
    answer = wire.ask("typed", {}, context={"correlation_context": {"fail": "1"}})
    assert (answer["status"], answer["retry_after_seconds"]) == ("retry", 7.0)


@pytest.mark.parametrize("function", ["patient", "warned"])
def test_activity_handler_is_warned_at_its_soft_limit(wire: Wire, function: str) -> None:
    assert wire.ask(function)["result"] == "warned"


def test_soft_limit_that_is_not_caught_is_a_timeout_and_costs_no_process(wire: Wire) -> None:
    answer = wire.ask("napping", {"seconds": 20})
    assert (answer["status"], answer["error"]["type"]) == ("timeout", "timeout")
    assert answer["error"]["message"].startswith("soft limit of 0.2 s (at acts_of_runner.py:")


def test_soft_limit_of_a_job_that_has_ended_is_not_the_next_ones(wire: Wire) -> None:
    # Both workers, whoever is asked.
    for _ in range(2):
        wire.send(*[request("napping", {"seconds": 0.05}) for _ in range(2)])
        assert [wire.read()["result"] for _ in range(2)] == ["slept"] * 2
    wire.send(*[request("napping_on", {"seconds": 0.4}) for _ in range(2)])
    assert [wire.read().get("result") for _ in range(2)] == ["slept"] * 2


def test_activity_of_an_engine_keeps_its_own_limit(wire: Wire) -> None:
    began = time.monotonic()
    assert wire.ask("limited", seconds=30)["status"] == "timeout"
    assert time.monotonic() - began < 5


def test_no_job_finds_the_checkpoint_of_another(wire: Wire) -> None:
    assert [wire.ask("saving").get("result") for _ in range(4)] == [None] * 4


def test_deadline_that_has_passed_is_a_timeout_that_never_ran(wire: Wire, tmp_path: Path) -> None:
    answer = wire.ask("stuck_in_c", {"note": str(tmp_path / "ran")}, seconds=-0.001)
    assert (answer["status"], answer["error"]["type"]) == ("timeout", "timeout")
    assert not (tmp_path / "ran").exists()


def test_the_65th_request_in_flight_is_refused_and_the_others_are_answered(wire: Wire, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = [request("wait_for_file", {"file": str(gate)}) for _ in range(65)]
    wire.send(*sent)
    refused = wire.read()
    assert refused["request_id"] == sent[64]["payload"]["request_id"]
    assert refused["error"]["message"] == "Runner busy: too many in-flight requests"
    gate.touch()
    answered = {wire.read()["request_id"] for _ in range(64)}
    assert answered == {one["payload"]["request_id"] for one in sent[:64]}


def test_probe_that_connects_and_leaves_is_nothing(runner: Running) -> None:
    for _ in range(20):
        runner.connect().close()
    assert runner.connect().ask("echo")["status"] == "success"


def encoded(message: dict[str, Any]) -> bytes:
    """With what is no JSON, should the message hold it."""
    return json.dumps(message).encode()


DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BAD_FRAMES = {
    "no length": b"\0\0\0\0",
    "too long": (FRAME_MOST + 1).to_bytes(4, "big"),
    "longest": b"\xff\xff\xff\xff",
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "no json": frame(b"hello"),
    "nan": frame(encoded(request("echo")).replace(b'"attempt": 1', b'"attempt": NaN')),
    "nan in params": frame(encoded(request("echo", {"x": float("nan")}))),
    "params are a list": frame(request("echo", [1])),
    "no utf-8": frame(encoded(request("echo", {"x": "@"})).replace(b"@", b"\xff")),
    "half a surrogate": frame(encoded(request("echo", {"x": "\ud800"}))),
    "deep": frame(encoded(request("echo", {"x": 1})).replace(b'{"x": 1}', DEEP)),
    "response": frame({"type": "response", "payload": {"job_id": "j", "request_id": "r", "status": "success"}}),
    "unknown type": frame({"type": "ping", "payload": {}}),
    "attempt beyond 32 bits": frame(request("echo", context={"attempt": 2**64})),
    "attempt 0": frame(request("echo", context={"attempt": 0})),
    "deadline without zone": frame(request("echo", context={"deadline": "2026-11-21T16:06:54"})),
    "ids are numbers": frame(request("echo", request_id=1)),
    "null": frame(b"null"),
    "cancel without job": frame({"type": "cancel", "payload": {"request_id": "r"}}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frame_closes_its_connection_and_no_other(runner: Running, wire: Wire, name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    neighbour = request("wait_for_file", {"file": str(gate)})
    wire.send(neighbour)
    hostile = runner.connect()
    hostile.socket.sendall(BAD_FRAMES[name])
    hostile.read_end()
    gate.touch()
    assert wire.read()["request_id"] == neighbour["payload"]["request_id"]


def test_good_requests_before_a_bad_frame_end_with_their_connection(runner: Running, tmp_path: Path) -> None:
    bad = runner.connect()
    bad.send(request("stuck_in_c", {"note": str(tmp_path / "pid")}), b"{")
    bad.read_end()
    assert runner.connect().ask("echo")["status"] == "success"


# Cancels.


@pytest.mark.parametrize("by", ["request_id", "job_id"])
def test_cancel_kills_what_runs_and_is_answered_on_the_requests_own_connection(
    runner: Running, wire: Wire, tmp_path: Path, by: str
) -> None:
    sent = request("stuck_in_c", {"note": str(tmp_path / "pid")})
    wire.send(sent)
    eventually((tmp_path / "pid").exists)
    with Wire(runner.port) as other:
        other.send(cancel(sent, by=by))
    began = time.monotonic()
    answer = wire.read()
    assert (answer["status"], answer["error"]) == ("error", {"message": "Job cancelled", "type": "cancelled"})
    assert time.monotonic() - began < 1
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists(), patience=2)


@pytest.mark.parametrize("by", ["request_id", "job_id"])
def test_cancel_before_its_request_was_begun_keeps_it_from_running(
    runner: Running, wire: Wire, tmp_path: Path, by: str
) -> None:
    gate = tmp_path / "gate"
    wire.send(*[request("wait_for_file", {"file": str(gate)}) for _ in range(2)])
    waiting = request("wait_for_file", {"file": str(gate), "note": str(tmp_path / "ran")})
    wire.send(waiting)
    with Wire(runner.port) as other:
        other.send(cancel(waiting, by=by))
    assert wire.read()["request_id"] == waiting["payload"]["request_id"]
    gate.touch()
    assert [wire.read()["status"] for _ in range(2)] == ["success"] * 2
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("by", ["request_id", "job_id"])
def test_cancel_that_overtakes_its_request_is_remembered(runner: Running, wire: Wire, tmp_path: Path, by: str) -> None:
    sent = request("stuck_in_c", {"note": str(tmp_path / "ran")})
    with Wire(runner.port) as other:
        other.send(cancel(sent, by=by), request("echo"))
        # Once this is answered the cancel has been read.
        other.read()
    wire.send(sent)
    assert wire.read()["error"]["type"] == "cancelled"
    assert not (tmp_path / "ran").exists()


def test_cancel_of_another_version_is_passed_over(runner: Running, wire: Wire, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = request("wait_for_file", {"file": str(gate)})
    wire.send(sent)
    with Wire(runner.port) as other:
        other.send(cancel(sent, protocol_version="1"), request("echo"))
        other.read()
    gate.touch()
    assert wire.read()["result"] == "found"


def test_end_of_a_connection_kills_its_work(runner: Running, tmp_path: Path) -> None:
    with Wire(runner.port) as wire:
        wire.send(request("stuck_in_c", {"note": str(tmp_path / "pid")}))
        eventually((tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists(), patience=2)
