"""`PoolExecutor`: the standard library's executor, whose calls run in workers that can be killed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, TypeVar

from typing_extensions import Unpack

from rrqmp.errors import ConfigurationError
from rrqmp.model.names import did_you_mean
from rrqmp.model.options import check_options
from rrqmp.model.units import check_seconds
from rrqmp.pool.dispatcher import Dispatcher
from rrqmp.pool.future import PoolFuture
from rrqmp.pool.handler import Preparation
from rrqmp.pool.mapping import ordered_results, pieces
from rrqmp.pool.pickling import dumps
from rrqmp.pool.placing import local_place, remote_place
from rrqmp.pool.site import user_environment
from rrqmp.pool.submitting import PLAIN, CallOptions, CallPlan, CallSubmitter, plan_call

P = ParamSpec("P")
T = TypeVar("T")


class Submitting(Executor):
    """What a pool and its views share: all of an executor but its own end."""

    def __init__(self, submitter: CallSubmitter, plan: CallPlan) -> None:
        self._submitter = submitter
        self._plan = plan

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PoolFuture[T]:
        """Has `fn(*args, **kwargs)` run once in a worker; pickled now, so later changes to the arguments are not seen.

        What cannot be pickled, or is larger than the pool's limit, fails this future alone. Raises `RuntimeError` after
        `shutdown` and `PoolBroken` when the pool is no more.
        """
        return self._submitter.submit(self._plan, fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """As the standard library's: results in order, the first exception ends it.

        `chunksize` calls travel and run as one, so a crash or a time-out loses them together. `buffersize` is the most
        pieces that are submitted ahead of the results taken.
        """
        if chunksize < 1:
            raise ValueError(f"chunksize must be >= 1, and is {chunksize}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be None or >= 1, and is {buffersize}")
        # Without the executor: a generator that nobody uses up must not keep a pool alive.
        submit_piece = partial(self._submitter.submit_piece, self._plan, fn)
        return ordered_results(submit_piece, pieces(iterables, chunksize), timeout, buffersize)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a pool cannot be sent to another process: make one where it is needed")


class PoolExecutor(Submitting):
    """Runs functions in processes; a crash, a kill or `os._exit` fails the one call that did it.

    Without `redis_url` the pool starts a private server and `max_workers` workers (default: the CPUs) with its first
    call, and they go with it. With `redis_url` the calls go to workers that others run with
    `rrqmp run --app rrqmp.pool.application:engine`; both sides need the same `key` (default: the setting `key`), and
    `max_workers` is the most calls of this pool that are under way at once.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        redis_url: str | None = None,
        queue: str | None = None,
        key: str | bytes | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        payload_limit: int | str | None = None,
        valid_for: float | timedelta = 86_400.0,
    ) -> None:
        """Starts nothing. `initializer(*initargs)` runs in each local worker before its first call.

        A call that no worker has begun with after `valid_for` is refused there, so that nobody can replay it for ever.
        Raises `ConfigurationError`, also where there is no key, or a weak one.
        """
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if redis_url is None:
            pickled = b"" if initializer is None else dumps((initializer, tuple(initargs)))
            preparation = Preparation(pickled, user_environment())
            place = local_place(max_workers, key, queue, payload_limit, preparation)
        else:
            if initializer is not None:
                raise ConfigurationError(
                    "initializer is for a local pool: workers elsewhere are shared with others; let the function "
                    "prepare what it needs, once per process"
                )
            place = remote_place(max_workers, redis_url, key, queue, payload_limit)
        site, signer, workers = place
        dispatcher = Dispatcher(site, signer, workers)
        submitter = CallSubmitter(
            dispatcher,
            signer,
            limit=site.limit,
            valid_seconds=check_seconds(valid_for, "valid_for"),
            is_remote=redis_url is not None,
        )
        super().__init__(submitter, PLAIN)
        # The thread does not know us: an executor that nobody holds any more ends it, after what was submitted.
        weakref.finalize(self, dispatcher.abandon).atexit = False

    def options(self, **options: Unpack[CallOptions]) -> PoolView:
        """The same pool as another executor, whose calls carry these options. Raises `ConfigurationError`."""
        for name in options:
            if name not in CallOptions.__annotations__:
                raise ConfigurationError(f"no option {name!r}: {did_you_mean(name, CallOptions.__annotations__)}")
        return PoolView(self, plan_call(check_options(options)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls; waits for those submitted, unless `wait` is false. May be called twice.

        `cancel_futures` cancels what has not been handed over yet.
        """
        self._submitter.dispatcher.close(wait=wait, cancel=cancel_futures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if isinstance(error, KeyboardInterrupt):
            # Whoever presses Ctrl-C does not want to wait for what runs.
            self._submitter.dispatcher.interrupt()
        self.shutdown(wait=True)
        return None


class PoolView(Submitting):
    """A pool with other options for its calls; its end is the pool's."""

    def __init__(self, pool: PoolExecutor, plan: CallPlan) -> None:
        super().__init__(pool._submitter, plan)
        # A pool lives as long as any of its views.
        self._pool = pool

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shuts the pool down."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)
