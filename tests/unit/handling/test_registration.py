"""Handlers in all their forms, and what a wrong one is told."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
import pytest

from rrqmp.errors import ConfigurationError
from rrqmp.handling.activity import PlainActivity
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.registration import Registration, register
from rrqmp.handling.registry import Registry
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.spec import Spec


@dataclass
class Job:
    path: str


@dataclass
class Thumb:
    size: int


THUMBNAIL = ActivityType("thumb", Job, Thumb)
T = TypeVar("T")


class Kind(StrEnum):
    RENDER = "render"


class Thumbnail(ActivityHandler[Job, Thumb]):
    timeout = 20
    max_retries = 1
    retry_on = (OSError,)

    def handle(self, payload: Job, context: ActivityContext) -> Thumb:
        return Thumb(len(payload.path))


class Sized(ActivityHandler[Job, T], Generic[T]):
    pass


class Typed(Sized[Thumb]):
    activity_type = THUMBNAIL

    def handle(self, payload, context):  # type: ignore[no-untyped-def]
        return Thumb(1)


class Bare(ActivityHandler):
    activity_type = Kind.RENDER

    def handle(self, payload, context):  # type: ignore[no-untyped-def]
        return None


class AsyncOne(ActivityHandler[Job, int]):
    async def handle(self, payload: Job, context: ActivityContext) -> int:
        await asyncio.sleep(0)
        return 1


def resize(payload: Job) -> Thumb:
    return Thumb(0)


async def resize_async(payload: Job, context: ActivityContext) -> Thumb:
    return Thumb(0)


def of(handler: object, declared: object = None, **options: Any) -> Registration:
    return register(declared, handler, options)  # type: ignore[arg-type]


def test_a_class_gives_name_types_limits_and_origin() -> None:
    registration = of(Thumbnail)
    assert registration.activity_type == "thumbnail"
    assert (registration.payload_type, registration.result_type) == (Job, Thumb)
    assert (registration.timeout, registration.retry) == (20.0, RetryPolicy(1))
    assert registration.retry_on == (OSError,)
    assert registration.origin.startswith("test_registration.py:")
    assert registration.origin.endswith("Thumbnail")


def test_the_default_timeout_is_five_minutes_and_there_are_three_retries() -> None:
    registration = of(Bare)
    assert (registration.timeout, registration.retry.max_retries) == (300.0, 3)


def test_a_class_is_made_anew_by_its_factory_and_an_instance_is_kept() -> None:
    kept = Thumbnail()
    assert of(Thumbnail).factory() is not of(Thumbnail).factory()
    assert of(kept).factory() is kept


def test_types_come_through_generic_ancestors_and_the_declaration() -> None:
    registration = of(Typed)
    assert registration.activity_type == "thumb"
    assert (registration.payload_type, registration.result_type) == (Job, Thumb)


def test_a_bare_handler_has_no_types() -> None:
    assert (of(Bare).payload_type, of(Bare).result_type) == (Any, Any)
    assert of(Bare).activity_type == "render"


@pytest.mark.parametrize(("handler", "name"), [(resize, "resize"), (resize_async, "resize_async")])
def test_a_function_gives_its_name_and_types(handler: Callable[..., Any], name: str) -> None:
    registration = of(handler)
    assert (registration.activity_type, registration.payload_type, registration.result_type) == (name, Job, Thumb)
    assert registration.takes_context is (name == "resize_async")
    assert registration.is_async is (name == "resize_async")


def test_an_async_method_is_known_as_such() -> None:
    assert of(AsyncOne).is_async
    assert of(AsyncOne).result_type is int


def test_the_argument_goes_before_the_handlers_own_name() -> None:
    assert of(Thumbnail, "other").activity_type == "other"
    assert of(Thumbnail, THUMBNAIL).activity_type == "thumb"


def test_types_of_a_function_made_inside_a_function_are_found() -> None:
    @dataclass
    class Local:
        a: int

    def inner(payload: Local) -> None: ...

    assert of(inner).payload_type is Local
    assert of(inner).result_type is type(None)


def test_a_decorated_function_keeps_its_declaration() -> None:
    activity: PlainActivity[Job, Thumb] = PlainActivity(resize, THUMBNAIL)
    assert activity(Job("a")) == Thumb(0)
    assert activity.activity_type == "thumb"
    assert of(activity).activity_type == "thumb"


def test_a_plain_function_that_returns_a_coroutine_has_the_coroutines_type() -> None:
    def started(payload: Job) -> Awaitable[int]:
        raise NotImplementedError

    assert of(started).result_type is int


def test_a_registration_travels_by_pickle() -> None:
    assert pickle.loads(pickle.dumps(of(resize).payload_type)) is Job


def test_the_submitters_wishes_go_before_the_handlers() -> None:
    registration = of(Thumbnail)
    assert registration.timeout_for(Spec()) == 20.0
    assert registration.timeout_for(Spec(timeout=3.0)) == 3.0
    assert Spec().policy(registration.retry).max_retries == 1
    assert Spec(max_retries=7).policy(registration.retry).max_retries == 7
    assert Spec(retry=RetryPolicy(2, base=9.0)).policy(registration.retry).base == 9.0


def test_a_registry_refuses_a_second_handler_and_names_both() -> None:
    registry = Registry()
    registry.add(of(Thumbnail))
    with pytest.raises(ConfigurationError, match=r"'thumbnail': .*Thumbnail and .*resize; register one"):
        registry.add(of(resize, "thumbnail"))
    assert registry.types() == ("thumbnail",)


def test_a_report_of_limits_is_plain() -> None:
    assert of(Thumbnail).describe()["timeout"] == 20.0


class Misspelt(ActivityHandler):
    timout = 3

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class Late(ActivityHandler):
    timeout = 3
    soft_timeout = 3

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class NoHandle(ActivityHandler):
    def handel(self, payload: Any, context: ActivityContext) -> None: ...


class Disagreeing(ActivityHandler[Job, Thumb]):
    def handle(self, payload: dict[str, int], context: ActivityContext) -> Thumb:  # type: ignore[override]
        raise NotImplementedError


class DisagreeingResult(ActivityHandler[Job, Thumb]):
    def handle(self, payload: Job, context: ActivityContext) -> int:  # type: ignore[override]
        raise NotImplementedError


class Demanding(ActivityHandler):
    def __init__(self, path: str) -> None: ...

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class Hasty(ActivityHandler):
    timeout = 0

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class TypeAsMethod(ActivityHandler):
    def activity_type(self) -> str:  # type: ignore[override]
        return "x"

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class SetUpMisspelt(ActivityHandler):
    def set_up(self, worker: WorkerInfo) -> None: ...

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class SetUpAlone(ActivityHandler):
    def setup(self) -> None: ...  # type: ignore[override]

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class TornDownWrongly(ActivityHandler):
    def teardown(self, worker: WorkerInfo) -> None: ...  # type: ignore[override]

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class Greedy(ActivityHandler):
    memory_limit = "512MiB"

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class Picky(ActivityHandler):
    retry_on = (3,)  # type: ignore[assignment]

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class NotAHandler:
    def handle(self, payload: Any, context: ActivityContext) -> None: ...


class Hidden(ActivityHandler):
    def handle(self, payload: Missing, context: ActivityContext) -> None: ...  # type: ignore[name-defined] # noqa: F821


class Arrays(ActivityHandler):
    def handle(self, payload: np.ndarray, context: ActivityContext) -> None: ...  # type: ignore[type-arg]


def yields(payload: Any) -> Iterator[int]:
    yield 1


def takes_nothing() -> None: ...


def takes_three(payload: Any, context: Any, more: Any) -> None: ...


def demands_keyword(payload: Any, *, size: int) -> None: ...


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (Misspelt, "Misspelt.timout is no option: did you mean 'timeout'"),
        (Late, "soft_timeout is 3 s and timeout 3 s: the soft limit must come first"),
        (SetUpMisspelt, "SetUpMisspelt.set_up is no option: did you mean 'setup'"),
        (SetUpAlone, r"setup takes \(self\): write setup\(self, worker\)"),
        (TornDownWrongly, r"teardown takes \(self, worker\): write teardown\(self\)"),
        (NoHandle, r"has no handle\(self, payload, context\)"),
        (Disagreeing, "payload type is dict.* by its handle and|payload type is Job by its class and dict"),
        (DisagreeingResult, "result type is Thumb by its class and int by its handle; make them agree"),
        (Demanding, "its __init__ wants them .*'path'.*register an instance"),
        (Hasty, "Hasty: timeout is 0 s: give 1 ms to 30 d"),
        (TypeAsMethod, "activity_type is .* give a string, a StrEnum or an ActivityType"),
        (Greedy, "memory_limit: not in this version"),
        (Picky, "retry_on holds 3: give exception classes"),
        (NotAHandler, "derive it from ActivityHandler"),
        (NotAHandler(), "is no handler"),
        (Hidden, "'Missing', which means nothing where it is registered.*TYPE_CHECKING"),
        (Arrays, "JSON cannot be decoded into ndarray"),
        (yields, "yields: a handler returns one value"),
        (takes_nothing, "takes no payload"),
        (takes_three, r"requires \(payload, context, more\)"),
        (demands_keyword, r"requires \(payload, size\)"),
        (lambda payload: None, "has no name: register it as"),
        ("thumbs", "'thumbs' is no handler"),
        (ActivityHandler, "has no handle"),
    ],
)
def test_a_wrong_handler_is_refused_with_the_remedy(handler: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        of(handler)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timout": 3}, "resize: no option 'timout': did you mean 'timeout'"),
        ({"max_retries": -3}, "max_retries is -3"),
        ({"retry": RetryPolicy(5), "max_retries": 2}, "max_retries is 2 and retry says 5: give one"),
    ],
)
def test_a_wrong_keyword_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        of(resize, **options)


@pytest.mark.parametrize(("name", "message"), [("", "empty"), ("a{b}", "braces"), (3, "give a string")])
def test_a_wrong_name_is_refused(name: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        of(resize, name)


def test_an_option_set_on_an_instance_is_refused_since_nobody_would_read_it() -> None:
    instance = Thumbnail()
    instance.timeout = 5  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match="timeout is set on the instance"):
        of(instance)


def test_a_declaration_that_disagrees_with_the_class_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="payload type is int by its ActivityType and Job by its class"):
        of(Thumbnail, ActivityType("thumb", int, Thumb))


class Mourning(ActivityHandler[Job, None]):
    """Must not be made to find out whether it has a callback."""

    def __init__(self, *, wanted: bool = False) -> None:
        assert wanted

    def handle(self, payload: Job, context: ActivityContext) -> None: ...

    def on_dead_letter(self, payload: Job, context: ActivityContext, error: BaseException) -> None: ...


class Careless(ActivityHandler[Job, None]):
    def handle(self, payload: Job, context: ActivityContext) -> None: ...


@pytest.mark.parametrize(
    ("handler", "wants"),
    [
        (Mourning, True),
        (Mourning(wanted=True), True),
        (Careless, False),
        (Careless(), False),
        (lambda payload: None, False),
    ],
)
def test_callback_is_known_without_making_the_handler(handler: Any, wants: bool) -> None:
    assert register("job", handler, {}).wants_dead_letter is wants


def test_function_that_is_registered_once_more_keeps_its_decorators_limits() -> None:
    def work(payload: int) -> None: ...

    activity = PlainActivity[int, None](work, ActivityType("work"), {"timeout": 7, "soft_timeout": 3})
    again = register("again", activity, {"soft_timeout": 2})
    assert (again.activity_type, again.timeout, again.soft_timeout) == ("again", 7, 2)
