"""The one table of settings: name, default, reader and help stand together, as the fields of one record."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from rrqmp.kernel.cpus import usable_cpus
from rrqmp.model.names import check_activity_type, check_queue_name
from rrqmp.settings import values
from rrqmp.settings.values import Reader

ENVIRONMENT_PREFIX: Final = "RRQMP_"
DAY: Final = 86_400.0
MONTH: Final = 30 * DAY
MiB: Final = 2**20


class QueueOrder(StrEnum):
    """How several queues share the workers: the first that has work, or by weights."""

    STRICT = "strict"
    WEIGHTS = "weights"


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table. `shown_default` is what help and samples print where the host decides."""

    name: str
    flag: str
    help: str
    read: Reader[Any]
    shown_default: str
    default: Callable[[], object]
    repeatable: bool = False
    secret: bool = False
    # Has no flag, since everybody can read command lines, and is never shown, not even in part.
    hidden: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.name.upper()


# Any: what `field` itself is declared to return, so that each line below keeps its own type.
def _setting(
    default: object,
    read: Reader[Any],
    help_text: str,
    *,
    flag: str = "",
    shown_default: str = "",
    repeatable: bool = False,
    secret: bool = False,
    hidden: bool = False,
) -> Any:
    line = {
        "flag": flag,
        "help": help_text,
        "read": read,
        "shown_default": shown_default,
        "repeatable": repeatable,
        "secret": secret,
        "hidden": hidden,
    }
    if callable(default):
        return field(default_factory=default, metadata=line, repr=not hidden)
    return field(default=default, metadata=line, repr=not hidden)


def host_node_name() -> str:
    """The host's name in the letters that a node's name may have."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "localhost"


def host_runtime_dir(environ: Mapping[str, str] = os.environ) -> str:
    """Where sockets and boards of one user lie: the unit's folder, the session's, or one in /tmp."""
    if environ.get("RUNTIME_DIRECTORY"):
        return environ["RUNTIME_DIRECTORY"].split(":")[0]
    session = environ.get("XDG_RUNTIME_DIR", "")
    if session and Path(session).is_dir():
        return str(Path(session) / "rrqmp")
    return str(Path(tempfile.gettempdir()) / f"rrqmp-{os.getuid()}")


def host_workers() -> int:
    """One worker for each CPU that this process may really use."""
    return usable_cpus().usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one supervisor. Durations are seconds, sizes bytes.

    `queues` keeps the order given; `queue_order` says whether its numbers count. Empty `activity_types` are all types.
    """

    app: str = _setting(
        "", values.application, "the application: module:attribute or module:factory()", shown_default="none"
    )
    app_dir: str = _setting(".", values.folder, "folder that is searched first for the application")
    redis_url: str = _setting(
        "redis://127.0.0.1:6379",
        values.redis_url,
        "redis://, rediss://, unix:// or embedded:[NAME or /PATH]",
        secret=True,
    )
    prefix: str = _setting("rrqmp", values.name, "first word of every key in Redis")
    queues: Mapping[str, int] = _setting(
        lambda: {"default": 1},
        values.queues(check_queue_name),
        "queue to serve, repeatable; in strict order, or by weights: high=3",
        flag="--queue",
        shown_default="default",
        repeatable=True,
    )
    queue_order: QueueOrder = QueueOrder.STRICT
    activity_types: tuple[str, ...] = _setting(
        (),
        values.words(check_activity_type),
        "take only this type, repeatable",
        flag="--activity-type",
        shown_default="all that the application has",
        repeatable=True,
    )
    max_workers: int = _setting(
        host_workers,
        values.whole(1, 4096),
        "worker processes",
        flag="--workers",
        shown_default="the CPUs this process may use",
    )
    spares: int | None = _setting(
        None,
        values.unless("auto", values.whole(0, 64)),
        "processes kept ready to replace a killed one",
        shown_default="auto",
    )
    max_waiting: int = _setting(
        64, values.whole(0, 4096), "extra workers at most while handlers wait for other activities"
    )
    claim_limit: int = _setting(
        50, values.whole(1, 50), "activities that a worker may claim at once while they are short"
    )
    threads_per_worker: int = _setting(1, values.whole(1, 1024), "threads that BLAS and OpenMP may use in one worker")
    node: str = _setting(
        host_node_name, values.name, "name of this supervisor, one at a time in use", shown_default="the host's name"
    )
    runtime_dir: str = _setting(
        host_runtime_dir, values.text, "folder for sockets, locks and boards", shown_default="$XDG_RUNTIME_DIR/rrqmp"
    )
    shutdown_timeout: float = _setting(
        25.0, values.seconds(0, MONTH), "how long running activities may finish at a stop", shown_default="25s"
    )
    cancel_grace: float = _setting(
        5.0, values.seconds(0, MONTH), "how long a cancelled handler may go on before it is killed", shown_default="5s"
    )
    start_timeout: float = _setting(
        30.0, values.seconds(0, DAY), "how long to wait for Redis at start", shown_default="30s"
    )
    lease: float = _setting(
        10.0, values.seconds(1, 3600), "a node that was silent for so long is taken for dead", shown_default="10s"
    )
    schedule_poll_interval: float = _setting(
        5.0, values.seconds(0.1, 5), "longest sleep of an idle worker", shown_default="5s"
    )
    max_crashes: int = _setting(3, values.whole(1, 1000), "crashes after which an activity is poisoned")
    max_losses: int = _setting(5, values.whole(1, 1000), "losses after which an activity is given up")
    dead_letter_timeout: float = _setting(
        30.0, values.seconds(0.01, 3600), "how long a handler's on_dead_letter may take", shown_default="30s"
    )
    priority_aging: float | None = _setting(
        3600.0,
        values.unless("strict", values.seconds(0.001, MONTH)),
        "waiting time that makes up for one level of priority, or strict",
        shown_default="1h",
    )
    result_ttl: float = _setting(
        DAY, values.seconds(60, MONTH), "how long an ended activity and its result are kept", shown_default="24h"
    )
    idempotency_ttl: float = _setting(
        DAY, values.seconds(0.001, MONTH), "how long a key holds after its activity's end", shown_default="24h"
    )
    dead_letter_limit: int = _setting(
        1_000_000, values.whole(1, 10**9), "dead letters kept in one queue; the oldest go first"
    )
    payload_limit: int = _setting(
        MiB, values.size(1024, 512 * MiB), "largest payload, and largest result, as JSON", shown_default="1MiB"
    )
    max_pending: int = _setting(
        0, values.whole(0, 10**9), "waiting activities beyond which a submission is refused, 0 for no limit"
    )
    metrics_address: str = _setting(
        "",
        values.listening_address,
        "where Prometheus may scrape this supervisor, such as 127.0.0.1:9464",
        shown_default="off",
    )
    key: str = _setting(
        "",
        values.key,
        "secret under which PoolExecutor signs its calls, 16 bytes or more",
        shown_default="no key",
        secret=True,
        hidden=True,
    )
    log_level: str = _setting("info", values.choice("debug", "info", "warning", "error"), "least level that is logged")
    log_format: str = _setting("text", values.choice("text", "json"), "text for people, json for collectors")


def _line(item: Field[Any]) -> Setting:
    known = item.metadata
    factory = item.default_factory
    return Setting(
        name=item.name,
        flag="" if known["hidden"] else known["flag"] or "--" + item.name.replace("_", "-"),
        help=known["help"],
        read=known["read"],
        shown_default=known["shown_default"] or str(item.default),
        default=factory if factory is not MISSING else lambda: item.default,
        repeatable=known["repeatable"],
        secret=known["secret"],
        hidden=known["hidden"],
    )


TABLE: Final[Mapping[str, Setting]] = {item.name: _line(item) for item in fields(Settings) if item.metadata}
