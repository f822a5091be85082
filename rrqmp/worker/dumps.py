"""The file that a worker's stacks go to, and the signals that make faulthandler write them."""

from __future__ import annotations

import faulthandler
import signal

from rrqmp.kernel.descriptors import move_high
from rrqmp.kernel.signals import DUMP_AND_DIE, DUMP_AND_GO_ON, DUMP_ONE_AND_GO_ON
from rrqmp.worker.exit_witness import ExitWitness


class Dumps:
    """Armed at the start, and again after a handler that blocked signals: the next one is to have its stack."""

    def __init__(self, inherited: int) -> None:
        # Where handlers that close or open descriptors by number do not tread.
        self.descriptor = move_high(inherited)

    def arm(self) -> None:
        """Makes faulthandler write here on the three signals, on a crash, and at a call of `os._exit`."""
        self._register()
        ExitWitness(self.descriptor).install()

    def mend(self) -> None:
        """Between activities: takes back a mask that a handler left. It costs 0.7 us where there is none."""
        if signal.pthread_sigmask(signal.SIG_BLOCK, ()):
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            self._register()

    def _register(self) -> None:
        for number in (DUMP_AND_DIE, DUMP_AND_GO_ON, DUMP_ONE_AND_GO_ON):
            faulthandler.unregister(number)
            signal.signal(number, signal.SIG_DFL)
        # chain: after the dump the former action, which is the default and kills.
        faulthandler.register(DUMP_AND_DIE, file=self.descriptor, all_threads=True, chain=True)
        faulthandler.register(DUMP_AND_GO_ON, file=self.descriptor, all_threads=True, chain=False)
        faulthandler.register(DUMP_ONE_AND_GO_ON, file=self.descriptor, all_threads=False, chain=False)
        faulthandler.enable(file=self.descriptor, all_threads=True)
