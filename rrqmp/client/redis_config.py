"""How the client's connections to Redis are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rrqmp.errors import ConfigurationError
from rrqmp.model.units import check_seconds
from rrqmp.store.pool import PoolLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfig:
    """Shape of the pool: most connections at once, how many stay, and times in seconds or timedeltas."""

    max_size: int = 50
    min_idle: int = 5
    conn_timeout: float | timedelta = 30.0
    idle_timeout: float | timedelta | None = 300.0
    max_lifetime: float | timedelta | None = 1800.0

    def __post_init__(self) -> None:
        self.limits()

    def limits(self) -> PoolLimits:
        """The same in the pool's units; raises `ConfigurationError` for what no pool can do."""
        max_size = _check_number(self.max_size, "max_size", 1, 10_000)
        return PoolLimits(
            max_size=max_size,
            min_idle=_check_number(self.min_idle, "min_idle", 0, max_size),
            conn_timeout=check_seconds(self.conn_timeout, "conn_timeout"),
            idle_timeout=_optional(self.idle_timeout, "idle_timeout"),
            max_lifetime=_optional(self.max_lifetime, "max_lifetime"),
        )


def _optional(value: float | timedelta | None, name: str) -> float | None:
    return None if value is None else check_seconds(value, name)


def check_redis_config(config: object) -> RedisConfig | None:
    """One, or nothing; raises `ConfigurationError`."""
    if config is not None and not isinstance(config, RedisConfig):
        raise ConfigurationError(f"redis_config is {config!r}: give a RedisConfig")
    return config


def _check_number(value: object, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ConfigurationError(f"{name} is {value!r}: give {least} to {most} connections")
    return value
