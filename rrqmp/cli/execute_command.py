"""`rrqmp execute`: one activity submitted from a shell, and its result if it is waited for."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from rrqmp.cli.queue_options import PATIENCE_SECONDS, one_queue, queue_options, read_settings
from rrqmp.model.options import check_priority
from rrqmp.model.units import seconds_of_text


@click.command("execute")
@click.argument("activity_type", metavar="TYPE")
@click.argument("payload", default="null")
@queue_options("payload_limit", "priority_aging", "max_pending")
@click.option("--priority", default=None, metavar="WORD", help="low, normal, high or critical")
@click.option("--delay", default=None, metavar="TIME", help="start not before this time from now, such as 10s or 5m")
@click.option("--timeout", default=None, metavar="TIME", help="deadline of one attempt; default: the handler's")
@click.option("--max-retries", type=int, default=None, metavar="N", help="runs after the first; default: the handler's")
@click.option("--key", default=None, metavar="TEXT", help="idempotency key: held already, its activity is returned")
@click.option("--wait/--no-wait", default=False, help="wait for the end and print the result as JSON")
@click.option("--wait-timeout", default=None, metavar="TIME", help="give up waiting; the activity goes on")
def command(activity_type: str, payload: str, wait: bool, wait_timeout: str | None, **options: Any) -> None:
    """Submits one activity of TYPE with the JSON text PAYLOAD (default null; - reads stdin) and prints its id.

    With --wait it prints the result instead, and exits with 1 if there is none.
    """
    # Imported here: help and mistakes need no client.
    from rrqmp.client.executor import ActivityExecutor

    settings = read_settings(options)
    content = _decode(sys.stdin.read() if payload == "-" else payload)
    patience = None if wait_timeout is None else seconds_of_text(wait_timeout, "--wait-timeout")
    queue = one_queue(settings)
    # Ages as the workers know it: a score made with another head start would stand in the wrong place.
    with ActivityExecutor.connect(
        settings.redis_url,
        queue,
        prefix=settings.prefix,
        priority_aging=settings.priority_aging,
        payload_limit=settings.payload_limit,
        max_pending=settings.max_pending,
        resend_seconds=PATIENCE_SECONDS,
    ) as executor:
        future = executor.execute(activity_type, content, **_asked(options))
        if not wait:
            click.echo(future.activity_id)
            return
        click.echo(json.dumps(future.get_result(timeout=patience), ensure_ascii=False))


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(
            f'the payload is no JSON: {error}; quote it for the shell: \'{{"path": "a.png"}}\''
        ) from None


def _asked(options: dict[str, Any]) -> Any:
    asked: dict[str, Any] = {}
    if options["priority"] is not None:
        asked["priority"] = check_priority(options["priority"])
    for name in ("delay", "timeout"):
        if options[name] is not None:
            asked[name] = seconds_of_text(options[name], f"--{name}")
    for name in ("max_retries", "key"):
        if options[name] is not None:
            asked[name] = options[name]
    return asked
