"""What an operator can set: one table, four sources (flags, environment, TOML, application), one report of faults."""

from rrqmp.settings.resolution import Resolved, SettingsInputs
from rrqmp.settings.table import TABLE, QueueOrder, Setting, Settings

__all__ = ["TABLE", "QueueOrder", "Resolved", "Setting", "Settings", "SettingsInputs"]
