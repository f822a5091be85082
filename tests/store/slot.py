"""A worker process in a few words: its cycles with the next number, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence

from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cycle import CycleReply, Settlement, SlotIdent, Verdict, cycle
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

NODE = "host-a@0123456789abcdef"
BODY = b'{"kind":"failed"}'


class Slot:
    """`held` maps what it runs to the token of the claim."""

    def __init__(
        self, store: BlockingConnection, keys: QueueKeys, *, number: int = 3, rules: StoreRules | None = None
    ) -> None:
        self.store, self.keys, self.rules = store, keys, rules or StoreRules()
        self.ident = SlotIdent(NODE, number, 1)
        self.seq = 0
        self.held: dict[str, str] = {}
        store.run(heartbeat(keys, self.rules, NODE, joining=True, slots=range(10)))

    def claim(self, want: int = 1, types: Sequence[str] = ("t",)) -> list[str]:
        """Claims; what it held before goes back."""
        return [claim.activity_id for claim in self.cycle(want=want, types=types).claims]

    def settle(self, activity_id: str, ending: Ending, *, delay_us: int = 0, result_ttl_ms: int = 0) -> Verdict:
        """Ends one; what else it held goes back."""
        done = self.settlement(activity_id, ending, delay_us=delay_us, result_ttl_ms=result_ttl_ms)
        return self.cycle(settlements=[done]).verdicts[0]

    def settlement(
        self, activity_id: str, ending: Ending, *, delay_us: int = 0, result_ttl_ms: int = 0, body: bytes = BODY
    ) -> Settlement:
        return Settlement(activity_id, self.held[activity_id], ending, body, delay_us, result_ttl_ms)

    def cycle(
        self, *, want: int = 0, types: Sequence[str] = ("t",), settlements: Sequence[Settlement] = ()
    ) -> CycleReply:
        self.seq += 1
        reply = self.store.run(
            cycle(
                self.keys, self.rules, self.ident, seq=self.seq, want=want, types=types, settlements=settlements
            )
        )  # fmt: skip
        token = self.ident.token(self.seq)
        self.held = {claim.activity_id: token for claim in reply.claims}
        return reply
