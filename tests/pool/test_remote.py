"""Pools over workers elsewhere: who may have something run there, and what a stranger in the store can do."""

from __future__ import annotations

import os
import pickle
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rrqmp import ActivityExecutor, PoolExecutor
from rrqmp.client.executor import ActivityExecutor as Executor
from rrqmp.errors import ActivityCrashed, ActivityFailed, SignatureRefused
from rrqmp.model.ids import new_activity_id
from rrqmp.model.spec import Spec, join_spec
from rrqmp.pool.pickling import SentCall, dumps, reply_value
from rrqmp.pool.signing import Direction, Signer
from rrqmp.settings.table import ENVIRONMENT_PREFIX
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.pool.conftest import KEY
from tests.processes.harness import Supervised, eventually, start_supervisor

KEYS = QueueKeys("pooled")
SIGNER = Signer(KEY, "pooled")


def touch(path: str) -> None:
    Path(path).touch()


class Stranger:
    """Somebody who can write to the store, and has no key."""

    def __init__(self, store: BlockingConnection, executor: Executor) -> None:
        self._store = store
        self._executor = executor

    def submit(self, parcel: bytes, activity_id: str = "") -> Any:
        """Has an activity with this parcel run; its future."""
        activity_id = activity_id or new_activity_id()
        spec = join_spec(Spec(), msgspec.json.encode(parcel))
        submission = Submission(activity_id, Direction.CALL.value, spec)
        self._store.run(enqueue(KEYS, StoreRules(), [submission]))
        return self._executor.future(activity_id)


@pytest.fixture
def stranger(server: EmbeddedServer, store: BlockingConnection, pool_workers: Supervised) -> Iterator[Stranger]:
    with ActivityExecutor.connect(server.url, "pooled") as executor:
        yield Stranger(store, executor)


def call_of(path: Path) -> bytes:
    return msgspec.msgpack.encode(SentCall(dumps((touch, (str(path),), {}))))


def test_calls_run_on_workers_elsewhere(remote_pool: PoolExecutor) -> None:
    assert list(remote_pool.map(pow, range(20), range(20), chunksize=3)) == [n**n for n in range(20)]
    assert remote_pool.submit(os.getpid).result() != os.getpid()
    with pytest.raises(ZeroDivisionError):
        remote_pool.submit(divmod, 1, 0).result()


def test_crash_runs_once_and_hurts_no_neighbour(remote_pool: PoolExecutor, tmp_path: Path) -> None:
    path = tmp_path / "notes"

    def crash() -> None:
        with path.open("a") as file:
            file.write("x")
        os.abort()

    futures = [remote_pool.submit(pow, 2, n) for n in range(30)]
    crashed = remote_pool.submit(crash)
    futures += [remote_pool.submit(pow, 2, n) for n in range(30)]
    assert isinstance(crashed.exception(), ActivityCrashed)
    assert "See: rrqmp show" in str(crashed.exception())
    assert [future.result() for future in futures] == [2**n for n in range(30)] * 2
    assert path.read_text() == "x"


def test_calls_that_wait_for_calls_do_not_starve_each_other(server: EmbeddedServer, remote_pool: PoolExecutor) -> None:
    def descend(url: str, depth: int) -> int:
        if depth == 0:
            return 0
        with PoolExecutor(1, redis_url=url, queue="pooled", key=KEY) as inner:
            return 1 + inner.submit(descend, url, depth - 1).result()

    # More of them than the five workers.
    assert remote_pool.submit(descend, server.url, 8).result(timeout=40) == 8


@pytest.mark.once
def test_client_closes_before_and_others_go_on(server: EmbeddedServer, remote_pool: PoolExecutor) -> None:
    with PoolExecutor(2, redis_url=server.url, queue="pooled", key=KEY) as other:
        futures = [other.submit(pow, 2, n) for n in range(10)]
    assert all(future.done() for future in futures)
    assert remote_pool.submit(pow, 2, 2).result() == 4


@pytest.mark.once
def test_signed_call_of_a_stranger_with_the_key_runs(stranger: Stranger, tmp_path: Path) -> None:
    """The other tests of this file rest on it: refused is refused for the signature and for nothing else."""
    activity_id = new_activity_id()
    parcel = SIGNER.seal(Direction.CALL, activity_id, call_of(tmp_path / "ran"), valid_seconds=60)
    stranger.submit(parcel, activity_id).get_result(timeout=10)
    assert (tmp_path / "ran").exists()


def forged(name: str, path: Path, activity_id: str) -> bytes:
    body = call_of(path)
    if name == "unsigned":
        return body
    if name == "raw pickle":
        return dumps((touch, (str(path),), {}))
    if name == "another key":
        return Signer("another key of 16 bytes", "pooled").seal(Direction.CALL, activity_id, body, valid_seconds=60)
    if name == "another id":
        return SIGNER.seal(Direction.CALL, new_activity_id(), body, valid_seconds=60)
    if name == "another queue":
        return Signer(KEY, "other").seal(Direction.CALL, activity_id, body, valid_seconds=60)
    if name == "a result":
        return SIGNER.seal(Direction.RESULT, activity_id, body, valid_seconds=60)
    if name == "expired":
        return SIGNER.seal(Direction.CALL, activity_id, body, valid_seconds=-1)
    altered = bytearray(SIGNER.seal(Direction.CALL, activity_id, body, valid_seconds=60))
    altered[-8] ^= 1
    return bytes(altered)


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    ["unsigned", "raw pickle", "another key", "another id", "another queue", "a result", "expired", "altered"],
)
def test_forged_call_is_refused_and_never_runs(name: str, stranger: Stranger, tmp_path: Path) -> None:
    activity_id = new_activity_id()
    future = stranger.submit(forged(name, tmp_path / "ran", activity_id), activity_id)
    with pytest.raises(ActivityFailed, match="expired" if name == "expired" else "not signed"):
        future.get_result(timeout=10)
    assert len(future.record().attempts) == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.once
def test_copy_of_a_signed_call_under_another_id_never_runs(stranger: Stranger, tmp_path: Path) -> None:
    activity_id = new_activity_id()
    parcel = SIGNER.seal(Direction.CALL, activity_id, call_of(tmp_path / "ran"), valid_seconds=60)
    stranger.submit(parcel, activity_id).get_result(timeout=10)
    (tmp_path / "ran").unlink()
    with pytest.raises(ActivityFailed, match="not signed under this key"):
        stranger.submit(parcel).get_result(timeout=10)
    assert not (tmp_path / "ran").exists()


class Bomb:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return touch, (self.path,)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["unsigned", "another id", "a call"])
def test_forged_result_is_refused_before_it_is_unpickled(
    kind: str, server: EmbeddedServer, tmp_path: Path, supervise_forger: Callable[[str], str]
) -> None:
    queue = supervise_forger(kind)
    with PoolExecutor(redis_url=server.url, queue=queue, key=KEY) as pool:
        error = pool.submit(str, tmp_path / "exploded").exception(timeout=20)
    assert isinstance(error, SignatureRefused)
    assert not (tmp_path / "exploded").exists()


FORGER = """
import pickle
from rrqmp import WorkerEngine
from rrqmp.model.ids import new_activity_id
from rrqmp.pool.pickling import reply_value
from rrqmp.pool.signing import Direction, Signer
import msgspec
from pathlib import Path

class Bomb:
    def __reduce__(self):
        return Path.touch, (Path({path!r}),)

engine = WorkerEngine()
signer = Signer({key!r}, {queue!r})
body = msgspec.msgpack.encode(reply_value(Bomb()))

@engine.activity("rrqmp.pool.call")
def call(payload: bytes, context) -> bytes:
    if {kind!r} == "unsigned":
        return body
    if {kind!r} == "another id":
        return signer.seal(Direction.RESULT, new_activity_id(), body, valid_seconds=60)
    return signer.seal(Direction.CALL, context.activity_id, body, valid_seconds=60)
"""


@pytest.fixture
def supervise_forger(server: EmbeddedServer, queue_name: str, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Workers of a stranger, who answers calls with results of his own making."""
    started: list[Supervised] = []

    def start(kind: str) -> str:
        text = FORGER.format(path=str(tmp_path / "exploded"), key=KEY, queue=queue_name, kind=kind)
        (tmp_path / "forger.py").write_text(text)
        started.append(
            start_supervisor(
                url=server.url,
                queues=(queue_name,),
                node=queue_name,
                runtime_dir=tmp_path / "run",
                log_path=tmp_path / "log",
                mark=secrets.token_hex(8),
                app="forger:engine",
                app_dir=tmp_path,
                workers=1,
            )
        )
        return queue_name

    yield start
    for one in started:
        one.wait_ready().stop()


def test_bomb_goes_off_where_it_is_signed(tmp_path: Path) -> None:
    """The test above rests on it."""
    pickle.loads(reply_value(Bomb(str(tmp_path / "exploded"))).pickled)
    assert (tmp_path / "exploded").exists()


@pytest.mark.once
@pytest.mark.parametrize(("environment", "words"), [({}, "set RRQMP_KEY"), ({"RRQMP_KEY": "short"}, "at least 16")])
def test_workers_without_a_good_key_do_not_start(
    server: EmbeddedServer, tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    started = start_supervisor(
        url=server.url,
        queues=("unused",),
        node="keyless",
        runtime_dir=tmp_path / "run",
        log_path=tmp_path / "log",
        mark=secrets.token_hex(8),
        app="rrqmp.pool.application:engine",
        app_dir=tmp_path,
        environment=environment,
    )
    assert started.exit_code() in (ExitCode.CONFIGURATION, ExitCode.USAGE)
    assert words in started.log
    assert "Traceback" not in started.log


@pytest.mark.once
def test_key_may_stand_in_the_file_of_settings(
    server: EmbeddedServer, queue_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in os.environ:
        if name.startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)
    config = tmp_path / "elsewhere.toml"
    config.write_text('key = "a secret that stands in a file"\n')
    started = start_supervisor(
        url=server.url,
        queues=(queue_name,),
        node=queue_name,
        runtime_dir=tmp_path / "run",
        log_path=tmp_path / "log",
        mark=secrets.token_hex(8),
        app="rrqmp.pool.application:engine",
        app_dir=tmp_path,
        workers=1,
        config=config,
    )
    try:
        started.wait_ready()
        monkeypatch.setenv("RRQMP_CONFIG", str(config))
        with PoolExecutor(redis_url=server.url, queue=queue_name) as pool:
            assert pool.submit(pow, 2, 5).result(timeout=20) == 32
    finally:
        started.stop()


@pytest.mark.once
def test_call_of_a_lost_node_is_not_run_again(server: EmbeddedServer, queue_name: str, tmp_path: Path) -> None:
    def start(number: int) -> Supervised:
        return start_supervisor(
            url=server.url,
            queues=(queue_name,),
            node=queue_name,
            runtime_dir=tmp_path / "run",
            log_path=tmp_path / f"log{number}",
            mark=secrets.token_hex(8),
            app="rrqmp.pool.application:engine",
            app_dir=tmp_path,
            workers=1,
            environment={"RRQMP_KEY": KEY},
        )

    path = tmp_path / "notes"

    def hold() -> None:
        import time

        with path.open("a") as file:
            file.write("x")
        time.sleep(60)

    first = start(1)
    with PoolExecutor(redis_url=server.url, queue=queue_name, key=KEY) as pool:
        future = pool.submit(hold)
        eventually(path.exists)
        first.process.kill()
        first.process.wait()
        second = start(2).wait_ready()
        with pytest.raises(ActivityCrashed, match="lost with its node"):
            future.result(timeout=20)
        assert wait([pool.submit(pow, 2, 3)], timeout=10).not_done == set()
        assert second.stop() == 0
    assert path.read_text() == "x"
