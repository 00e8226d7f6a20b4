"""A gateway process whose core has a bug: `python -m tests.integration.broken_gateway METHOD ...`.

A dial request with the token `trigger` arms the bug; from then on the named methods raise an exception, whose
text must not appear anywhere. Calls for the campaign `hangs` get no answer.
"""

import asyncio
import logging
import os
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gateway.app import Gateway
from gateway.cli.process import serve
from gateway.composition.part_settings import limits_of
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
    """An engine that raises in the named methods once it is armed."""

    def __init__(self, limits: Any, rng: random.Random, methods: Sequence[str]) -> None:
        self.armed = False
        self.broken = methods
        super().__init__(limits, rng)

    def __getattribute__(self, name: str) -> Any:
        """Add the bug to the named methods."""
        found = super().__getattribute__(name)
        if name.startswith("_") or name in {"armed", "broken"} or name not in self.broken:
            return found
        return self._with_bug(found)

    def submit(self, *arguments: Any) -> Any:
        """Submit dial requests, and arm the bug if the trigger is among them."""
        self.armed |= _has_trigger(arguments)
        return super().submit(*arguments)

    def _with_bug(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def broken(*arguments: Any, **options: Any) -> Any:
            if self.armed or (method.__name__ == "submit" and _has_trigger(arguments)):
                raise KeyError(SECRET)
            return method(*arguments, **options)

        return broken


class HangingConnect(FakeConnect):
    """A fake Connect that never answers calls for the campaign `hangs`."""

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        """Hang after the call was sent, or accept."""
        if campaign_id == HANGS:
            if ticket is not None:
                ticket.leave()
            await asyncio.Event().wait()
        return await super().put_dial_requests(campaign_id, requests, ticket)


async def main(methods: Sequence[str]) -> int:
    """Serve until the bug ends the process."""
    settings, _ = load(os.environ)
    rng = random.Random(1)
    engine = BrokenEngine(limits_of(settings), rng, methods)
    gateway = Gateway(settings, HangingConnect(), telemetry_with(), rng, engine)
    return await serve(gateway, settings, lambda port: _say(port, gateway.admin_port))


def _say(port: int, admin_port: int) -> None:
    sys.stdout.write(f"serving gRPC on 127.0.0.1:{port}, calling http://nobody\n")
    sys.stdout.write(f"health and metrics on http://127.0.0.1:{admin_port}\n")


def _has_trigger(arguments: Sequence[Any]) -> bool:
    """Return whether the arguments contain a dial request with the trigger."""
    lists = [argument for argument in arguments if isinstance(argument, list)]
    return any(request.client_token == TRIGGER for arrivals in lists for _, request in arrivals)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    code = asyncio.run(main(sys.argv[1:]))
    sys.stdout.flush()
    os._exit(code)
