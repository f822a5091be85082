"""Building an engine and registering handlers: no process, no connection."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rrqmp
from rrqmp.client.redis_config import RedisConfig
from rrqmp.engine.child import error_of
from rrqmp.engine.keywords import NAMES
from rrqmp.engine.reference import find_application, refuse_missing_guard, search_path
from rrqmp.engine.worker_engine import WorkerEngine
from rrqmp.errors import ConfigurationError, StoreUnavailable, WorkerError
from rrqmp.handling.activity import Activity
from rrqmp.handling.application import Application
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.model.activity_type import ActivityType
from rrqmp.settings.table import TABLE
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.shared_state.launch import AppReference
from rrqmp.telemetry.sink import NoopMetrics

MODULE_ENGINE = WorkerEngine()


class Render(ActivityHandler):
    def handle(self, payload: Any, context: ActivityContext) -> None: ...


def test_keywords_and_sentence_say_the_same() -> None:
    sink, config = NoopMetrics(), RedisConfig(max_size=100)
    sentence = (
        WorkerEngine.builder()
        .redis_url("redis://localhost:6379")
        .queue_name("img")
        .max_workers(8)
        .schedule_poll_interval(timedelta(seconds=2))
        .redis_config(config)
        .metrics(sink)
        .settings(lease=5)
        .build()
    )
    keywords = WorkerEngine(
        redis_url="redis://localhost:6379", queue_name="img", max_workers=8, schedule_poll_interval=2.0,
        redis_config=config, metrics=sink, lease=5,
    )  # fmt: skip
    assert sentence.settings == keywords.settings
    assert sentence.settings == {
        "redis_url": "redis://localhost:6379", "queues": ["img"], "max_workers": 8, "schedule_poll_interval": 2.0,
        "lease": 5,
    }  # fmt: skip
    assert sentence.metrics is sink


def test_every_setting_but_the_application_itself_is_a_keyword() -> None:
    assert set(TABLE) - set(NAMES) == {"app", "app_dir"}


def test_a_builder_can_be_kept_and_used_again() -> None:
    kept = WorkerEngine.builder().queue_name("img")
    assert kept.max_workers(1).build().settings != kept.build().settings


def test_what_is_not_set_is_not_there() -> None:
    assert WorkerEngine(queue_name=None).settings == {}


def test_queues_may_have_weights() -> None:
    assert WorkerEngine(queues={"high": 3, "low": 1}).settings == {"queues": {"high": 3, "low": 1}}


def test_an_engine_is_an_application() -> None:
    assert isinstance(WorkerEngine(), Application)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"max_worker": 3}, "WorkerEngine has no 'max_worker': did you mean 'max_workers'"),
        ({"max_workers": 0}, "max_workers is 0: give a whole number from 1"),
        ({"queue_name": "a{b}"}, "braces"),
        ({"metrics": 5}, "metrics is 5: give an object with inc_counter and observe_duration"),
        ({"metrics": NoopMetrics}, "metrics is <class .*: give an object"),
        ({"redis_config": {"max_size": 3}}, "redis_config is .*: give a RedisConfig"),
        ({"queue_name": ""}, "empty string"),
        ({"queue_name": "a,b"}, "a comma separates names"),
        ({"queue_name": 3}, "give a string"),
        ({"queue_name": "a", "queues": ["b"]}, "exclude each other"),
        ({"redis_url": "http://x"}, "http://x"),
        ({"lease": "5 bananas"}, "such as 10m"),
        ({"activity_types": ["a\n"]}, "control characters"),
    ],
)
def test_a_wrong_keyword_names_the_value_and_the_remedy(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WorkerEngine(**keywords)
    with pytest.raises(ConfigurationError, match=message):
        WorkerEngine.builder().settings(**keywords)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"max_size": 0}, "max_size is 0: give 1 to 10000 connections"),
        ({"max_size": 2, "min_idle": 3}, "min_idle is 3: give 0 to 2"),
        ({"conn_timeout": 0}, "conn_timeout is 0 s"),
        ({"idle_timeout": -1}, "idle_timeout is -1 s"),
    ],
)
def test_a_wrong_pool_is_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RedisConfig(**keywords)


def test_handlers_are_registered_in_every_form() -> None:
    engine = WorkerEngine()
    engine.register_activity(Render)
    engine.register_activity("instance", Render())
    engine.register_activity("function", lambda payload: None, timeout=3)
    engine.register_activity(ActivityType("declared"), Render)

    @engine.activity
    def bare(payload: int) -> int:
        return payload

    @engine.activity("named", max_retries=0)
    async def other(payload: int, context: ActivityContext) -> int:
        return payload

    @engine.activity(timeout=7)
    def optioned(payload: int) -> int:
        return payload

    assert engine.registry.types() == ("render", "instance", "function", "declared", "bare", "named", "optioned")
    assert [registration.timeout for registration in engine.registry][2] == 3.0
    assert isinstance(bare, Activity)
    assert bare(4) == 4
    assert (bare.__name__, other.activity_type) == ("bare", "named")


def test_a_decorated_function_may_be_registered_elsewhere_too() -> None:
    first, second = WorkerEngine(), WorkerEngine()

    @first.activity("a")
    def activity(payload: int) -> int:
        return payload

    second.register_activity(activity)
    second.register_activity("b", activity)
    assert second.registry.types() == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("render",), r"register_activity\('render'\) has no handler"),
        ((3,), "3 is no handler"),
        ((3, Render), "activity_type is 3"),
    ],
)
def test_a_wrong_registration_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WorkerEngine().register_activity(*arguments)


def test_two_handlers_for_one_type_are_refused() -> None:
    engine = WorkerEngine()
    engine.register_activity(Render)
    with pytest.raises(ConfigurationError, match="two handlers for the activity type 'render'"):
        engine.register_activity("render", lambda payload: None)


def main_module(**attributes: Any) -> ModuleType:
    module = ModuleType("__main__")
    vars(module).update(attributes)
    return module


def test_an_engine_in_a_script_is_found_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = WorkerEngine()
    monkeypatch.setitem(sys.modules, "__main__", main_module(__file__=__file__, app=engine))
    reference = find_application(engine)
    assert (reference.kind, reference.target, reference.attribute) == ("script", str(Path(__file__).resolve()), "app")


def test_an_engine_in_a_module_is_found_by_its_name() -> None:
    reference = find_application(MODULE_ENGINE)
    assert (reference.kind, reference.target, reference.attribute) == ("module", __name__, "MODULE_ENGINE")


def test_an_engine_of_a_session_goes_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = WorkerEngine()
    monkeypatch.setitem(sys.modules, "__main__", main_module(engine=engine))
    assert find_application(engine).kind == "pickle"
    assert find_application(WorkerEngine()).kind == "pickle"


def test_a_start_inside_a_template_names_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    import rrqmp.worker

    main = main_module(__spec__=rrqmp.worker.__spec__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    with pytest.raises(ConfigurationError, match='engine.start.* `if __name__ == "__main__":`'):
        refuse_missing_guard("engine.start()")


def test_the_search_path_has_no_relative_folders() -> None:
    assert all(Path(entry).is_absolute() for entry in search_path())


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (ExitCode.CONFIGURATION, ConfigurationError, "exit code 78"),
        (ExitCode.USAGE, ConfigurationError, "exit code 2"),
        (ExitCode.REDIS_UNREACHABLE, StoreUnavailable, "exit code 69"),
        (ExitCode.BOOT_LOOP, WorkerError, "exit code 70: workers or the template died"),
        (ExitCode.BUG, WorkerError, "exit code 1"),
        (42, WorkerError, "unknown exit code 42"),
        (-9, WorkerError, "killed by SIGKILL"),
        (-63, WorkerError, "killed by signal 63"),
    ],
)
def test_an_exit_code_becomes_an_error_of_its_kind(code: int, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        raise error_of(code)  # type: ignore[misc]


def test_a_wished_stop_is_no_error() -> None:
    assert error_of(ExitCode.STOPPED) is None


def test_every_public_name_can_be_had_and_is_listed() -> None:
    for name in rrqmp.__all__:
        assert getattr(rrqmp, name) is not None
        assert name in dir(rrqmp)
    with pytest.raises(AttributeError, match="no attribute 'WorkerEngin'"):
        rrqmp.WorkerEngin  # noqa: B018


def test_type_checkers_see_the_same_names_as_the_interpreter() -> None:
    source = Path(rrqmp.__file__).read_text()
    seen = {line.split(" as ")[1].strip() for line in source.splitlines() if " as " in line and "import" in line}
    assert seen == set(rrqmp.__all__)


def test_importing_the_package_alone_costs_next_to_nothing() -> None:
    program = "import sys, rrqmp; print(sorted(name for name in sys.modules if name.startswith(('rrqmp.', 'msgspec'))))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['rrqmp.version']"


def test_engine_is_found_where_it_can_be_imported_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = WorkerEngine()
    for name in ("no_folder_of_this_name.test_shop", "colorsys"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module)["shop"] = engine
        # In this order: the test's module is made first, and imports the other.
        monkeypatch.setitem(sys.modules, name, module)
    assert find_application(engine) == AppReference(kind="module", target="colorsys", attribute="shop")
