"""The engine: handlers, settings and metrics of one application, and the way to have them run."""
