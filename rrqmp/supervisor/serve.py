"""The process of the supervisor, from its entry to its exit code."""

from __future__ import annotations

import asyncio
import signal

from rrqmp.errors import ConfigurationError
from rrqmp.kernel import prctl
from rrqmp.settings.resolution import SettingsInputs
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.shared_state.launch import Launch
from rrqmp.supervisor.log import LOGGER, open_log
from rrqmp.supervisor.start_failure import StartFailure, StopWished
from rrqmp.supervisor.supervisor import Supervisor


def serve(inputs: SettingsInputs, launch: Launch | None) -> int:
    """Supervises until told to stop; the exit code. `launch` is the order of a script, `None` for `--app`.

    Raises `ConfigurationError` for what is wrong in the settings given from outside.
    """
    first = inputs.resolve().settings
    log = open_log(first.log_level, first.log_format)
    # Both are inherited over exec: an ignored SIGCHLD would leave us without the status of any child.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    prctl.adopt_orphans()
    try:
        return asyncio.run(_run(Supervisor(inputs, launch)))
    finally:
        log.push()


async def _run(supervisor: Supervisor) -> int:
    try:
        await supervisor.start()
        code = await supervisor.run()
    except StartFailure as failure:
        LOGGER.error("%s", failure)
        code = failure.code
    except ConfigurationError as error:
        LOGGER.error("%s", error)
        code = ExitCode.CONFIGURATION
    except StopWished:
        code = ExitCode.STOPPED
    except Exception:  # noqa: BLE001 - the process's last line of defence: it must still release and reap
        LOGGER.exception("the supervisor failed; please report this")
        code = ExitCode.BUG
    await supervisor.close()
    return int(code)
