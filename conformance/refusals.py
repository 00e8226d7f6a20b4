"""Scenarios in which something is refused: by TLS, by the policy, by a limit, or for its size."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.caller import PHONE, Call, Caller
from conformance.scenarios import Scenario, begun, dials, well
from conformance.worlds import Clients, Findings, Meeting, all_ended, exactly, holds, meeting, went_well
from tests import pki
from tests.faults.any_proxy import NO_IDENTITIES
from tests.faults.bars import Check
from tests.faults.certificates import CALLER, GATEWAY, PROXY, Certificates
from tests.faults.wire import WireStream, streams_to
from tests.faults.world import world_of
from tests.history.history import Recorder

POLICY = f"""
version: 1
callers:
  - identities: ["{CALLER}"]
    dial: [{{campaigns: ["*-c1"]}}]
"""
SOON_S = 15.0
"""Seconds within which a client must tell that it cannot reach the gateway, or may not."""
LARGE = "x" * 30_000
"""An attribute; Connect takes up to 32,767 characters."""


class Secured:
    """The files of a gateway with a policy, of its callers, and of the proxy between them, if any.

    Callers and the gateway, or the proxy, use mutual TLS.
    """

    def __init__(self, folder: Path, proxy: str) -> None:
        self.certificates = Certificates.made_in(folder)
        self._proxy = proxy
        (folder / "other-ca.pem").write_bytes(pki.Authority().pem)
        (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")

    def settings(self) -> dict[str, str]:
        """Return the settings of the gateway."""
        settings = self.certificates.gateway_settings()
        # A proxy and the gateway use no TLS. Without a proxy, callers show the gateway their certificates.
        left_out = "tls_" if self._proxy else "trusted_proxies"
        return {name: value for name, value in settings.items() if not name.startswith(left_out)}

    def options(
        self, name: str = "caller", ca: str = "callers-ca.pem", authority: str = ""
    ) -> dict[str, str]:
        """Return the command line of a program."""
        return {
            "ca": self._path(ca),
            "cert": self._path(f"{name}.crt"),
            "key": self._path(f"{name}.key"),
            "authority": authority or (PROXY if self._proxy else GATEWAY),
        }

    def _path(self, name: str) -> str:
        return str(self.certificates.folder / name)


@asynccontextmanager
async def secured(clients: Clients, *, policy: bool = True, **changes: str) -> AsyncIterator[Meeting]:
    """Run clients against a gateway with mutual TLS and a policy; `changes` are those of `options`.

    Without a policy the gateway allows everyone.
    """
    async with AsyncExitStack() as stack:
        files = Secured(Path(stack.enter_context(_temporary_folder())), clients.proxy)
        settings = files.settings() if policy else {}
        world = await stack.enter_async_context(world_of(settings=settings))
        options = files.options(**changes)
        met = meeting(world, clients, certificates=files.certificates, answers=True, **options)
        yield await stack.enter_async_context(met)


def _temporary_folder() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="conformance-")


async def tls(clients: Clients) -> Findings:
    """A caller with a certificate that the policy names dials over mutual TLS, and only its campaign."""
    identified = clients.proxy not in NO_IDENTITIES
    async with secured(clients, policy=identified) as met:
        calls = begun(met, lambda caller: caller.generate(200))
        others = begun(met, lambda caller: caller.generate(5, "o-", "c2"))
        await all_ended(calls)
        await all_ended(others)
        checks = {
            caller: [
                *well(calls)[caller],
                went_well(other),
                exactly("denied for a campaign of others", _denied(other), 5 if identified else 0),
            ]
            for caller, other in others.items()
        }
        return met.findings("mutual TLS with a policy", checks, accepted_percent=97.0)


def _denied(call: Call) -> int:
    return sum(answer["reason"] == "ACCESS_DENIED" for answer in call.answers)


async def wrong_authority(clients: Clients) -> Findings:
    """The gateway's certificate is not for the name that the caller expects."""
    async with secured(clients, authority="another.internal") as met:
        return await unreachable(met, "wrong authority")


async def unknown_authority(clients: Clients) -> Findings:
    """The gateway's certificate is of an authority that the caller does not trust."""
    async with secured(clients, ca="other-ca.pem") as met:
        return await unreachable(met, "unknown certificate authority")


async def unreachable(met: Meeting, title: str) -> Findings:
    """Check that clients tell soon that the gateway cannot be reached, and that nothing is dialed."""
    calls = begun(met, lambda caller: caller.send(dials(3, expires_in_s=SOON_S)))
    began = time.monotonic()
    took_s = await asyncio.gather(*(_told_after(*pair, began) for pair in calls.items()))
    told_s = dict(zip(calls, took_s, strict=True))
    await all_ended(calls)
    checks = {caller: [*_refused(caller, call), _soon(told_s[caller])] for caller, call in calls.items()}
    return met.findings(title, checks, accepted_percent=None)


def _refused(caller: Caller, call: Call) -> Sequence[Check]:
    """Return the checks of a call that never reached a gateway: an error, or answers that say so."""
    if call.error:
        caller.recorder.history.left[call.record.name] = 0.0  # the error tells that all are unanswered
        return [exactly("answers before the error", len(call.answers), 0)]
    return [holds("each request expired", call.outcomes == {"EXPIRED"})]


def _soon(told_s: float) -> Check:
    return Check("told after, s", told_s, "{:.1f}", at_most=SOON_S)


async def _told_after(caller: Caller, call: Call, began: float) -> float:
    """Wait until the call fails, or the program says on stderr why it cannot connect; return the seconds."""
    while call.end is None:
        if caller.said.stat().st_size:
            break
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def not_named_by_the_policy(clients: Clients) -> Findings:
    """The policy does not name the caller: an error at once, with the gateway's reason."""
    refusal = "PERMISSION_DENIED", "UNKNOWN_CALLER"
    if clients.proxy in NO_IDENTITIES:
        refusal = "UNAUTHENTICATED", "UNAUTHENTICATED"
    async with secured(clients, name="stranger") as met:
        calls = begun(met, lambda caller: caller.send(dials(3)))
        await all_ended(calls, SOON_S)
        return _ended_with(met, calls, "refusal by policy", *refusal)


def _ended_with(met: Meeting, calls: Mapping[Caller, Call], title: str, status: str, reason: str) -> Findings:
    checks = {}
    for caller, call in calls.items():
        told = call.error.get("status"), call.error.get("reason")
        checks[caller] = [holds(f"ended with {status}, {reason}, not {told}", told == (status, reason))]
        caller.recorder.history.left[call.record.name] = 0.0
    return met.findings(title, checks, accepted_percent=None)


async def stream_limit(clients: Clients) -> Findings:
    """All streams are in use: an error with the reason. Once they have ended, the next call works."""
    settings = {"caller_streams": str(len(clients.names))}
    async with world_of(settings=settings) as world, meeting(world, clients) as met:
        async with streams_to(world.target, "wire", Recorder(), len(clients.names)) as streams:
            await _occupied(streams)
            calls = begun(met, lambda caller: caller.send(dials(3)))
            await all_ended(calls)
        later = {}
        for caller in met.callers:  # in turn: the limit is that of all of them together
            later[caller] = caller.send(dials(3, "later-"))
            await later[caller].ended()
        refused = _ended_with(met, calls, "stream limit", "RESOURCE_EXHAUSTED", "STREAM_LIMIT")
        served = met.findings("streams after the limit", well(later), accepted_percent=None)
        return {client: refused[client] if refused[client].failed else served[client] for client in refused}


async def _occupied(streams: Sequence[WireStream]) -> None:
    """Wait until streams are open, which the answer to an invalid request shows."""
    for stream in streams:
        stream.gone()
        await stream.taken()


async def sizes(clients: Clients) -> Findings:
    """6 MB of requests are split into messages; a request of more than 256 KiB is refused alone."""
    many = {f"k{number}": LARGE for number in range(10)}
    async with world_of() as world, meeting(world, clients) as met:
        calls = begun(met, lambda caller: caller.generate(200, attribute_bytes=len(LARGE)))
        small, large = dials(10, "s-"), dials(1, "large-", phone=PHONE, attributes=many)
        mixed = begun(met, lambda caller: caller.send([*small[:5], *large, *small[5:]], "c2"))
        await all_ended(calls)
        await all_ended(mixed)
        checks = {
            caller: [
                *well(calls)[caller],
                went_well(call),
                exactly("refused for its size", _invalid(call), 1),
            ]
            for caller, call in mixed.items()
        }
        return met.findings("messages over 4 MiB, a request over 256 KiB", checks, accepted_percent=99.0)


def _invalid(call: Call) -> int:
    told = [(answer["outcome"], answer["reason"]) for answer in call.answers]
    return told.count(("REJECTED", "INVALID_REQUEST"))


REFUSALS: Mapping[str, Scenario] = {
    "tls": tls,
    "wrong-authority": wrong_authority,
    "unknown-authority": unknown_authority,
    "policy": not_named_by_the_policy,
    "stream-limit": stream_limit,
    "sizes": sizes,
}
