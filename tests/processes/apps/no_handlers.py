"""An application without handlers, and something that is no application."""

from __future__ import annotations

from notes import App

engine = App()
number = 7
