"""`dial-gateway check`: what a gateway started here and now would find, in words, dialing nobody."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields

from botocore.exceptions import BotoCoreError

from gateway import telemetry
from gateway.connect.apis import ApiName
from gateway.connect.probe import Finding, Probe, Verdict
from gateway.settings import PREFIX, Settings

GOOD, WRONG = 0, 1
ProbeFor = Callable[[ApiName], Probe]


def run(
    chosen: Settings,
    warnings: Iterable[str],
    environment: Mapping[str, str],
    probe: Callable[[ApiName], Probe],
) -> int:
    """Look at everything and say what was found; return 0 where nothing is wrong, else 1."""
    verdicts = set()
    for verdict, topic, words in _findings(chosen, warnings, environment, probe):
        sys.stdout.write(f"{verdict.value:<7} {topic:<24} {words}\n")
        sys.stdout.flush()
        verdicts.add(verdict)
    wrong = Verdict.WRONG in verdicts
    sys.stdout.write("something is wrong\n" if wrong else "nothing is wrong; nobody was dialed\n")
    return WRONG if wrong else GOOD


def _findings(
    chosen: Settings,
    warnings: Iterable[str],
    environment: Mapping[str, str],
    probe: Callable[[ApiName], Probe],
) -> Iterator[Finding]:
    yield from _of_settings(chosen, warnings)
    yield _of_telemetry(environment)
    apis = dict.fromkeys([chosen.connect_api, *(api for _, api in chosen.connect_api_by_campaign)])
    for number, api in enumerate(apis):
        try:
            asked = probe(api)
        except (BotoCoreError, ValueError) as error:
            yield Finding(Verdict.WRONG, f"Connect {api}", str(error))
            return
        yield from _of_connect(asked, api, first=not number)


def _of_settings(chosen: Settings, warnings: Iterable[str]) -> Iterator[Finding]:
    set_here = [field for field in fields(chosen) if getattr(chosen, field.name) != field.default]
    yield Finding(Verdict.GOOD, "settings", "all legal; not as by default:" if set_here else "the defaults")
    for field in set_here:
        name = f"{PREFIX}{field.name.upper()}"
        yield Finding(
            Verdict.GOOD, "", f"{name} = {getattr(chosen, field.name)} ({field.metadata['meaning']})"
        )
    for warning in warnings:
        yield Finding(Verdict.UNSURE, "settings", warning)


def _of_telemetry(environment: Mapping[str, str]) -> Finding:
    try:
        telemetry.telemetry_from(environment).shutdown(0.1)
    except telemetry.TelemetryError as error:
        return Finding(Verdict.WRONG, "telemetry", str(error))
    return Finding(Verdict.GOOD, "telemetry", "the OTEL_* variables can be used")


def _of_connect(asked: Probe, api: ApiName, *, first: bool) -> Iterator[Finding]:
    yield Finding(Verdict.GOOD, f"Connect {api}", asked.endpoint)
    if first:
        found = asked.credentials()
        yield found
        if found.verdict is Verdict.WRONG:
            return
        yield asked.identity()
    yield asked.right_to_put()
    yield asked.right_to_see_states()
