"""How a line of log looks, in the supervisor and in the workers: text for people, or one JSON object for collectors."""

from __future__ import annotations

import logging
import time
from typing import Final

import msgspec

# Everything of ours logs below it; the library itself adds no handler.
ROOT: Final = "rrqmp"
_PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def formatter_for(form: str) -> logging.Formatter:
    """The formatter of the setting `log_format`: `text` or `json`."""
    return _Json() if form == "json" else _Text()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        text = f"{when} {level}{record.getMessage()}"
        activity_id = getattr(record, "activity_id", None)
        if activity_id is not None:
            kind, attempt = getattr(record, "activity_type", ""), getattr(record, "attempt", "")
            text += f"  [{kind} {activity_id} attempt {attempt}]"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: value for key, value in record.__dict__.items() if key not in _PLAIN})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()
