"""The handlers of one application, one a type, and what it wants done around them."""

from __future__ import annotations

from collections.abc import Iterator

from rrqmp.errors import ConfigurationError
from rrqmp.handling.hooks import WorkerHook
from rrqmp.handling.registration import Registration


class Registry:
    """Registrations by activity type, in the order in which they were added, and the hooks around a worker's life."""

    def __init__(self) -> None:
        self.on_worker_start: list[WorkerHook] = []
        self.on_worker_stop: list[WorkerHook] = []
        self._registrations: dict[str, Registration] = {}

    def add(self, registration: Registration) -> None:
        """Adds one; raises `ConfigurationError` if its type has a handler already."""
        before = self._registrations.get(registration.activity_type)
        if before is not None:
            raise ConfigurationError(
                f"two handlers for the activity type {registration.activity_type!r}: {before.origin} and "
                f"{registration.origin}; register one of them under another name"
            )
        self._registrations[registration.activity_type] = registration

    def get(self, activity_type: str) -> Registration | None:
        """The registration of the type, if there is one."""
        return self._registrations.get(activity_type)

    def types(self) -> tuple[str, ...]:
        """The activity types that have a handler."""
        return tuple(self._registrations)

    def __iter__(self) -> Iterator[Registration]:
        return iter(tuple(self._registrations.values()))

    def __len__(self) -> int:
        return len(self._registrations)
