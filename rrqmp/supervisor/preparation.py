"""What must stand before the first worker may claim: settings, server, board, the leftovers of a former supervisor."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

from rrqmp.errors import ConfigurationError, QueueFull, StoreError, StoreUnavailable
from rrqmp.settings.table import QueueOrder, Settings
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.shared_state.messages import Imported, WorkerConfig
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.cycle import SlotIdent
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.embedded_place import is_embedded, resolve_embedded
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.server_facts import ServerFacts, ask_server
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.settlement import settle_slot
from rrqmp.supervisor.start_failure import StartFailure

_ASK_AGAIN_SECONDS: Final = 0.5
_NICER: Final = 5
_LEAST_URGENT: Final = 19
# Above this a fork takes longer than a slot should stand empty.
_SPARE_FROM_BYTES: Final = 100 * 2**20


def served_types(settings: Settings, report: Imported) -> tuple[str, ...]:
    """The types that this supervisor takes. Raises `StartFailure` for a type that the application does not have."""
    known = [entry.activity_type for entry in report.types]
    unknown = [name for name in settings.activity_types if name not in known]
    if unknown:
        raise StartFailure(
            ExitCode.CONFIGURATION,
            f"activity_types names {', '.join(map(repr, unknown))}, and the application has no handler for it; "
            f"it has {', '.join(map(repr, known))}",
        )
    return tuple(settings.activity_types) or tuple(known)


def worker_config(settings: Settings, rules: StoreRules, types: tuple[str, ...]) -> WorkerConfig:
    """What the workers need of the settings."""
    return WorkerConfig(
        redis_url=settings.redis_url,
        prefix=settings.prefix,
        queues=tuple(settings.queues.items()),
        weighted=settings.queue_order is QueueOrder.WEIGHTS,
        rules=rules,
        activity_types=types,
        claim_limit=settings.claim_limit,
        poll_seconds=settings.schedule_poll_interval,
        callback_seconds=settings.dead_letter_timeout,
        payload_limit=settings.payload_limit,
        nice=min(_LEAST_URGENT, os.getpriority(os.PRIO_PROCESS, 0) + _NICER),
        node_name=settings.node,
        log_level=settings.log_level,
        log_format=settings.log_format,
    )


def spares_of(settings: Settings, template_bytes: int) -> int:
    """Processes to keep ready: as set, else one where the application is large."""
    if settings.spares is not None:
        return settings.spares
    return 1 if template_bytes > _SPARE_FROM_BYTES else 0


def start_embedded(url: str) -> EmbeddedServer | None:
    """The server of an `embedded:` URL, started by us or joined; `None` for any other. Raises `StartFailure`."""
    if not is_embedded(url):
        return None
    try:
        return EmbeddedServer(resolve_embedded(url)).start()
    except StoreUnavailable as error:
        raise StartFailure(ExitCode.REDIS_UNREACHABLE, str(error)) from None


async def wait_for_server(store: AsyncStore, seconds: float) -> ServerFacts:
    """Asks the server whether it will do, until it answers. Raises `StartFailure` after that time or if it will not."""
    give_up = time.monotonic() + seconds
    told = False
    while True:
        try:
            return await ask_server(store)
        except (StoreUnavailable, QueueFull) as error:
            if time.monotonic() > give_up:
                raise StartFailure(
                    ExitCode.REDIS_UNREACHABLE,
                    f"{error}\nstart a server, give its --redis-url, or let rrqmp start one: --redis-url embedded:",
                ) from None
            if not told:
                LOGGER.warning("%s (trying for %g s)", error, seconds)
                told = True
        except (StoreError, ConfigurationError) as error:
            raise StartFailure(ExitCode.CONFIGURATION, str(error)) from None
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def settle_reports(
    store: AsyncStore, queues: Sequence[QueueKeys], rules: StoreRules, reports: Sequence[ExitReport]
) -> None:
    """Settles deaths that the former supervisor had seen and nobody had settled; the tokens are good for anybody."""
    for report in reports:
        if report.broken is not None and report.slot is not None:
            ident = SlotIdent(report.node, report.slot, report.inc + 1)
            await settle_slot(store, queues, rules, ident, report)
