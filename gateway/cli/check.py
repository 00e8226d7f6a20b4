"""`dial-gateway check`: checks settings, files and AWS without dialing, and reports the results."""

import asyncio
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any

from botocore.exceptions import BotoCoreError

from gateway import telemetry
from gateway.access.admin_token import read_token
from gateway.access.campaign_file import read_campaigns
from gateway.access.errors import AccessError
from gateway.access.key_pair import ClientTls, files_of
from gateway.access.policy_file import read_policy
from gateway.access.setup import AccessFiles, check_callers_are_known
from gateway.access.tls_key_pair import read_key_pair
from gateway.admin.request_filter import is_loopback
from gateway.cli.aws_region import in_words
from gateway.compliance.key_file import read_key
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.suppression_list import Suppressions
from gateway.composition.fleet import reached_state_of
from gateway.composition.part_settings import directory_of
from gateway.composition.replica_name import replica_name
from gateway.composition.trail import NO_TRAIL_KEY, trail_path
from gateway.connect.api_versions import ApiName
from gateway.connect.probe import Probe
from gateway.core.quota.replica_calls import IN_FLIGHT_S
from gateway.runtime.check_result import CheckResult, Finding
from gateway.settings import PREFIX, Settings
from gateway.shared_state.address import AddressError
from gateway.shared_state.port import SharedStateError
from gateway.shared_state.setup import fingerprint_key
from gateway.shared_state.startup_check import remarks_on, warning_about_contacts

GOOD, WRONG = 0, 1
REPORTED_WITHIN_S = 0.1
"""Seconds in which the fleet usually hears that a call has returned."""
NEAR_ITS_END_DAYS = 7
MAX_NAMED = 10
"""Names of campaigns that one line lists, at most."""


def run(
    chosen: Settings,
    warnings: Iterable[str],
    environment: Mapping[str, str],
    probe: Callable[[ApiName], Probe],
) -> int:
    """Run all checks and print the results; return 0 if all passed, else 1."""
    results = set()
    for result, topic, words in _findings(chosen, warnings, environment, probe):
        sys.stdout.write(f"{result.value:<7} {topic:<24} {words}\n")
        sys.stdout.flush()
        results.add(result)
    wrong = CheckResult.WRONG in results
    summary = "something is wrong: see WRONG above" if wrong else "nothing is wrong; nobody was dialed"
    sys.stdout.write(f"{summary}\n")
    return WRONG if wrong else GOOD


def _findings(
    chosen: Settings,
    warnings: Iterable[str],
    environment: Mapping[str, str],
    probe: Callable[[ApiName], Probe],
) -> Iterator[Finding]:
    yield from _of_settings(chosen, warnings)
    yield from _of_access(chosen)
    yield from _of_shared_state(chosen)
    yield _of_telemetry(environment)
    apis = dict.fromkeys([chosen.connect_api, *(api for _, api in chosen.connect_api_by_campaign)])
    for number, api in enumerate(apis):
        try:
            asked = probe(api)
        except (BotoCoreError, ValueError) as error:
            yield Finding(CheckResult.WRONG, f"Connect {api}", in_words(error))
            return
        yield from _of_connect(asked, api, first=not number)
        if chosen.campaign_directory == "connect":
            yield asked.right_to_list()


def _of_settings(chosen: Settings, warnings: Iterable[str]) -> Iterator[Finding]:
    set_here = [field for field in fields(chosen) if getattr(chosen, field.name) != field.default]
    yield Finding(CheckResult.GOOD, "settings", "valid; not the default:" if set_here else "the defaults")
    for field in set_here:
        name = f"{PREFIX}{field.name.upper()}"
        yield Finding(CheckResult.GOOD, "", f"{name} = {_shown(chosen, field)} ({field.metadata['meaning']})")
    for warning in warnings:
        yield Finding(CheckResult.UNSURE, "settings", warning)


def _shown(chosen: Settings, field: "Field[Any]") -> str:
    """Return a setting as the user writes it: networks are a list with commas. A secret is not shown."""
    value = getattr(chosen, field.name)
    if field.metadata["kind"].secret:
        return "(not shown)"
    if isinstance(value, tuple) and not any(isinstance(part, tuple) for part in value):
        return ",".join(map(str, value))
    return str(value)


def _of_shared_state(chosen: Settings) -> Iterator[Finding]:
    """Say whether this replica could be one of the fleet; without a shared state say nothing."""
    topic = "shared state"
    try:
        reached = reached_state_of(chosen)
        fingerprint_key(chosen.shared_state_fingerprint_key_file)
    except (AccessError, AddressError, SharedStateError) as error:
        yield Finding(CheckResult.WRONG, topic, str(error))
        return
    if reached is not None:
        for number, remark in enumerate(asyncio.run(remarks_on(reached.settings))):
            yield Finding(remark.result, "" if number else topic, remark.words)
        if reached.tls is not None:
            yield Finding(*_of_client_tls(reached.tls.value))
        if chosen.call_rate and chosen.call_burst < 1.0 + IN_FLIGHT_S * chosen.call_rate:
            yield Finding(CheckResult.UNSURE, "", _of_burst(chosen))


def _of_burst(chosen: Settings) -> str:
    """Say which calls are too long for the whole rate: calls in flight count against the burst of a fleet."""
    longest_s = max(0.0, chosen.call_burst / chosen.call_rate - REPORTED_WITHIN_S)
    enough = math.ceil(1.0 + IN_FLIGHT_S * chosen.call_rate)
    return (
        f"{PREFIX}CALL_BURST: calls that take longer than about {longest_s:.1f} s cannot use the whole call "
        f"rate, since calls in flight count against the burst; {enough} is enough for any calls, if the "
        "account allows it"
    )


def _of_access(chosen: Settings) -> Iterator[Finding]:
    """Say what the files of TLS, policy and token hold, each by itself: more than one may be wrong."""
    for topic, read in _FILES:
        try:
            for number, (result, words) in enumerate(read(chosen)):
                yield Finding(result, "" if number else topic, words)
        except AccessError as error:
            yield Finding(CheckResult.WRONG, topic, str(error))


def _of_tls(chosen: Settings) -> Iterator[tuple[CheckResult, str]]:
    files = files_of(chosen.tls_cert_file, chosen.tls_key_file, chosen.tls_client_ca_file)
    if files is None:
        yield CheckResult.GOOD, "off: callers connect in the clear, and show no certificate"
    else:
        pair = read_key_pair(files, time.time())
        result, good_for = _good_for(pair.ends_at)
        yield result, f"certificate for {_in_one(pair.names)}, good for {good_for}; the key matches"
        whom = "callers must show a certificate of" if pair.client_ca else "callers need show no certificate"
        yield CheckResult.GOOD, f"{whom} {files.client_ca}" if pair.client_ca else whom
    for network in chosen.trusted_proxies:
        yield CheckResult.GOOD, f"proxies in {network} may state the identities of callers"


def _of_client_tls(tls: ClientTls) -> Finding:
    """Say which certificate is shown to the shared state, and when the first of the TLS files expires."""
    if tls.ends_at is None:
        return Finding(CheckResult.GOOD, "", "TLS: the system's authorities; no certificate is shown")
    result, good_for = _good_for(tls.ends_at)
    shown = (
        f"certificate for {_in_one(tls.names)} is shown" if tls.has_certificate else "no certificate is shown"
    )
    return Finding(result, "", f"TLS: {shown}; its files are good for {good_for}")


def _good_for(ends_at: float) -> tuple[CheckResult, str]:
    days = (ends_at - time.time()) / 86_400
    return CheckResult.UNSURE if days < NEAR_ITS_END_DAYS else CheckResult.GOOD, f"{days:.1f} more days"


def _in_one(names: Sequence[str]) -> str:
    return ", ".join(names) or "no name"


def _of_policy(chosen: Settings) -> Iterator[tuple[CheckResult, str]]:
    if chosen.policy_file is None:
        home = is_loopback(chosen.listen.rpartition(":")[0])
        words = "none: everybody who can connect may dial, and hold, release and purge campaigns"
        yield (CheckResult.GOOD if home else CheckResult.UNSURE), words
        return
    policy = read_policy(chosen.policy_file, directory_of(chosen))
    for entry in policy.entries:
        yield CheckResult.GOOD, entry.in_words()
    pair = files_of(chosen.tls_cert_file, chosen.tls_key_file, chosen.tls_client_ca_file)
    check_callers_are_known(AccessFiles(pair=pair, policy=chosen.policy_file, trusted=chosen.trusted_proxies))


def _of_token(chosen: Settings) -> Iterator[tuple[CheckResult, str]]:
    if chosen.admin_token_file is None:
        yield CheckResult.GOOD, "none: the admin port only reads"
    else:
        read_token(chosen.admin_token_file)
        yield CheckResult.GOOD, "the admin port changes things for whoever shows it"


def _of_campaigns(chosen: Settings) -> Iterator[tuple[CheckResult, str]]:
    if chosen.campaign_file is None:
        words = "names and tags come from Amazon Connect, see below"
        off = "none: campaigns have no names, only their ids"
        yield CheckResult.GOOD, off if chosen.campaign_directory == "off" else words
        return
    table = read_campaigns(chosen.campaign_file)
    shared = sorted(name for name, ids in table.names() if len(ids) > 1)
    yield CheckResult.GOOD, f"{len(table):,} campaigns in {chosen.campaign_file}"
    if shared:
        several = f"several campaigns have the same name: {', '.join(map(repr, shared[:MAX_NAMED]))}"
        yield CheckResult.UNSURE, f"{several}; these names cannot be used instead of ids"


def _of_guard(chosen: Settings) -> Iterator[tuple[CheckResult, str]]:
    """Explain the guard file: its rules, its lists, and the tables that it depends on."""
    if chosen.guard_key_file is not None:
        read_key(chosen.guard_key_file)
    if chosen.guard_file is None:
        yield CheckResult.GOOD, "no rules: any number may be called at any time"
        return
    from gateway.compliance import guard_report
    from gateway.compliance.loaded_rules import LoadedRules

    suppressions = Suppressions()
    loaded = LoadedRules(
        chosen.guard_file,
        directory_of(chosen),
        NumberHash(b"check"),
        suppressions,
        shared_state=chosen.shared_state_url is not None,
    )
    for line in loaded.in_words():
        yield CheckResult.GOOD, line
    for line in (*guard_report.rules_in_words(loaded.guard), *guard_report.versions_in_words(loaded.zones)):
        yield CheckResult.GOOD, line
    now = time.time()
    loaded.prepare(now)
    for line in loaded.warnings(now):
        yield CheckResult.UNSURE, line
    if loaded.guard.limited:
        yield from _of_limits(chosen)


def _of_limits(chosen: Settings) -> Iterator[tuple[CheckResult, str]]:
    """Say whether the shared state keeps what contact limits count; `_of_shared_state` reports the rest."""
    try:
        reached = reached_state_of(chosen)
    except (AccessError, AddressError, SharedStateError):
        return
    warning = None if reached is None else asyncio.run(warning_about_contacts(reached.settings))
    if warning is not None:
        yield CheckResult.UNSURE, warning


def _of_trail(chosen: Settings) -> Iterator[tuple[CheckResult, str]]:
    """Say where the guard's decisions are recorded. A gateway may be writing the file: it is not opened."""
    if chosen.guard_audit_file is None and not chosen.guard_audit_otlp:
        yield CheckResult.GOOD, "none: what the guard decides is not recorded"
        return
    if chosen.guard_key_file is None:
        yield CheckResult.WRONG, NO_TRAIL_KEY
    if chosen.guard_audit_otlp:
        yield CheckResult.GOOD, "exported as log records"
    if chosen.guard_audit_file is not None:
        path = trail_path(chosen.guard_audit_file, replica_name(chosen))
        if os.access(path if path.exists() else path.parent, os.W_OK) and not path.is_dir():
            yield CheckResult.GOOD, f"{path}, and {chosen.guard_audit_files:,} earlier files at most"
        else:
            yield CheckResult.WRONG, f"cannot write {path}"
    if not chosen.guard_audit_required:
        yield CheckResult.UNSURE, "not required: what is sent while it cannot be written is not recorded"


_FILES: tuple[tuple[str, Callable[[Settings], Iterator[tuple[CheckResult, str]]]], ...] = (
    ("TLS", _of_tls),
    ("policy", _of_policy),
    ("admin token", _of_token),
    ("campaign directory", _of_campaigns),
    ("guard", _of_guard),
    ("audit trail", _of_trail),
)


def _of_telemetry(environment: Mapping[str, str]) -> Finding:
    try:
        telemetry.telemetry_from(environment).shutdown(0.1)
    except telemetry.TelemetryError as error:
        return Finding(CheckResult.WRONG, "telemetry", str(error))
    for name in telemetry.doubtful_timeouts(environment):
        words = f"{name}: {environment[name]} seconds; OpenTelemetry for Python does not take milliseconds"
        return Finding(CheckResult.UNSURE, "telemetry", words)
    return Finding(CheckResult.GOOD, "telemetry", "the OTEL_* variables can be used")


def _of_connect(asked: Probe, api: ApiName, *, first: bool) -> Iterator[Finding]:
    yield Finding(CheckResult.GOOD, f"Connect {api}", asked.endpoint)
    if first:
        found = asked.credentials()
        yield found
        if found.result is CheckResult.WRONG:
            return
        yield asked.identity()
    yield asked.right_to_put()
    yield asked.right_to_see_states()
    if first:
        yield asked.clock()
