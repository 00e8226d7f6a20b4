"""A gateway whose core has a bug, as a process: `python -m tests.integration.broken_gateway METHOD ...`.

A dial request with the token `trigger` arms it; from then on the methods named raise, with a text
that must not be told to anybody. Calls for the campaign `hangs` have no answer.
"""

import asyncio
import logging
import os
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gateway import app
from gateway.connect.fake import FakeConnect
from gateway.connect.port import PutReply
from gateway.connect.ticket import Ticket
from gateway.core.engine import Engine
from gateway.core.model import DialRequest
from gateway.settings import load
from gateway.telemetry import telemetry_with

SECRET = "+12065550123"
TRIGGER, HANGS = "trigger", "hangs"


class BrokenEngine(Engine):
    """Raises in the methods named, once it has been armed."""

    def __init__(self, limits: Any, rng: random.Random, methods: Sequence[str]) -> None:
        self.armed = False
        self.broken = methods
        super().__init__(limits, rng)

    def __getattribute__(self, name: str) -> Any:
        """Put a bug before the methods named."""
        found = super().__getattribute__(name)
        if name.startswith("_") or name in {"armed", "broken"} or name not in self.broken:
            return found
        return self._with_bug(found)

    def submit(self, *arguments: Any) -> Any:
        """Take a dial request, and arm the bug with the trigger."""
        self.armed |= _has_trigger(arguments)
        return super().submit(*arguments)

    def _with_bug(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def broken(*arguments: Any, **options: Any) -> Any:
            if self.armed or (method.__name__ == "submit" and _has_trigger(arguments)):
                raise KeyError(SECRET)
            return method(*arguments, **options)

        return broken


class HangingConnect(FakeConnect):
    """Never answers for the campaign that hangs."""

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Hang once the call has been sent, or accept."""
        if campaign_id == HANGS:
            if ticket is not None:
                ticket.leave()
            await asyncio.Event().wait()
        return await super().put_dial_requests(campaign_id, requests, ticket)


async def main(methods: Sequence[str]) -> int:
    """Serve until it breaks."""
    settings, _ = load(os.environ)
    rng = random.Random(1)
    engine = BrokenEngine(app.limits_of(settings), rng, methods)
    gateway = app.Gateway(settings, HangingConnect(), telemetry_with(), rng, engine)
    return await app.serve(gateway, settings, lambda port: _say(port, gateway.admin_port))


def _say(port: int, admin_port: int) -> None:
    sys.stdout.write(f"serving gRPC on 127.0.0.1:{port}, calling http://nobody\n")
    sys.stdout.write(f"health and metrics on http://127.0.0.1:{admin_port}\n")


def _has_trigger(arguments: Sequence[Any]) -> bool:
    """Whether dial requests come in, and the trigger is among them."""
    lists = [argument for argument in arguments if isinstance(argument, list)]
    return any(request.client_token == TRIGGER for arrivals in lists for _, request in arrivals)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    code = asyncio.run(main(sys.argv[1:]))
    sys.stdout.flush()
    os._exit(code)
