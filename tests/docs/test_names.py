"""Names in documents exist: settings, metrics, alerts, events, commands, values, files, links."""

import argparse
import dataclasses
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from os.path import commonprefix
from pathlib import Path

import grpc
import yaml
from opentelemetry import environment_variables as otel_api
from opentelemetry.sdk import environment_variables as otel_sdk

from dialgateway.dialctl import arguments
from dialgateway.dialctl.results_file import INVALID_ROW, LEFT_OUT, NOT_SENT
from dialgateway.v1 import (
    campaign_service_pb2,
    compliance_service_pb2,
    dial_request_service_pb2,
    error_reason_pb2,
)
from gateway.cli import main
from gateway.compliance.numbers import KINDS
from gateway.control.audit import Event, IdentifiedBy, Interface
from gateway.settings import CONFIG, PREFIX, Settings, load
from scripts import alerts
from tests.deploy import expressions
from tests.docs.documents import ROOT, anchors, blocks, documents, links, python_documents, spans

SETTINGS = {f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(Settings)}
VARIABLES = SETTINGS | {CONFIG, f"{PREFIX}TARGET", "DIALCTL_CONNECTION", "DIALCTL_CONNECTIONS"}
ALERTS = {rule["alert"] for rule in alerts.rules() if "alert" in rule}
RULES = {rule["record"] for rule in alerts.rules() if "record" in rule}
CLASSES = {"DialGatewayClient", "DialGatewayError"}
NO_METRICS = {"dial_gateway_client"}
"""Names that look like those of metrics: a wheel."""
CONTRACT = (dial_request_service_pb2, campaign_service_pb2, compliance_service_pb2, error_reason_pb2)
LEADS = {INVALID_ROW, LEFT_OUT, NOT_SENT}
OTEL = vars(otel_api).keys() | vars(otel_sdk).keys()
RECORDS = "docs/decisions/"
"""Decision records name constants of the code too."""
VALUES = yaml.safe_load((ROOT / "deploy/helm/dial-gateway/values.yaml").read_text())
FORMER_VALUES = {"autoscaling.cpuUtilization", "resources.claims"}
"""In the upgrade notes."""
FOLDERS = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
SEEN_FROM = (ROOT, ROOT / "gateway", ROOT / "deploy", ROOT / "deploy" / "helm" / "dial-gateway")
FILES = {".cfg", ".json", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}

Words = Callable[[str], Iterable[str]]


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def unknown(named: Words, known: Callable[[str], bool], inside: Iterable[str] = documents()) -> list[str]:
    """Return the words of documents that are not known, with their documents."""
    return [f"{document}: {word}" for document in inside for word in named(document) if not known(word)]


def matching(pattern: str) -> Words:
    return lambda document: re.findall(pattern, text_of(document))


def spans_like(pattern: str) -> Words:
    return lambda document: [span for span in spans(document) if re.fullmatch(pattern, span)]


def test_settings_exist() -> None:
    assert unknown(matching(rf"{PREFIX}[A-Z][A-Z_]*[A-Z]\b"), VARIABLES.__contains__) == []
    assert unknown(spans_like("_[A-Z_]+"), lambda ending: bool(ending_with(ending))) == []


def ending_with(ending: str) -> list[str]:
    """Return the settings that a text may abbreviate."""
    return [name for name in SETTINGS if name.endswith(ending)]


def test_words_in_capitals_exist() -> None:
    """A span such as `STREAM_WINDOW` or `WOULD_EXPIRE` is a setting or a word of the contract."""
    words = VARIABLES | {word.removeprefix(PREFIX) for word in VARIABLES} | OTEL | LEADS
    words |= {code.name for code in grpc.StatusCode} | set(KINDS)
    for kind in [kind for file in CONTRACT for kind in file.DESCRIPTOR.enum_types_by_name.values()]:
        prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.name).upper() + "_"
        words |= {form for value in kind.values for form in (value.name, value.name.removeprefix(prefix))}
    inside = [document for document in python_documents() if not document.startswith(RECORDS)]
    assert unknown(spans_like(r"(?!AWS_)[A-Z]+(_[A-Z]+)+"), words.__contains__, inside) == []


def test_metrics_exist() -> None:
    known = expressions.series().keys() | expressions.catalogued().keys() | NO_METRICS
    rules = "|".join(map(re.escape, RULES))
    named = matching(rf"(?:{rules})|\b((?:dial_gateway|process)_[a-z][a-z_]*[a-z])\b")
    assert unknown(lambda document: filter(None, named(document)), known.__contains__) == []


def test_alerts_exist() -> None:
    assert (
        unknown(matching(r"\bDialGateway[A-Z]\w+"), (ALERTS | CLASSES).__contains__, python_documents()) == []
    )


def test_events_exist() -> None:
    events = {event.value for event in Event}
    assert unknown(spans_like(r"(campaign|setting)\.[a-z_]+"), events.__contains__) == []


def test_the_page_about_audit_lists_every_event_and_value() -> None:
    listed = set(spans("docs/audit.md"))
    assert listed >= {member.value for kind in (Event, IdentifiedBy, Interface) for member in kind}


def test_values_of_the_chart_exist() -> None:
    def is_value(name: str) -> bool:
        first, *_ = path = name.split(".")
        return first not in VALUES or name in FORMER_VALUES or find_value(path) is not None

    assert unknown(spans_like(r"[a-z]\w+(\.(?!env|ya?ml)\w+)+"), is_value, python_documents()) == []


def find_value(path: list[str]) -> object | None:
    """Return the default of a value, True for null and for a key of a free object; None if there is none."""
    found: object = VALUES
    for part in path:
        if not isinstance(found, dict):
            return None
        if part not in found:
            return True if found == {} else None
        found = found[part]
    return True if found is None else found


def test_files_exist() -> None:
    """A path is seen from one of `SEEN_FROM` or from the document."""

    def missing(document: str) -> Iterator[str]:
        seen_from = (*SEEN_FROM, (ROOT / document).parent)
        for span in spans(document):
            path = span.removesuffix("/")
            if not re.fullmatch(r"[\w.*-]+(/[\w.*-]+)+", path):
                continue
            if not span.startswith(FOLDERS) and Path(path).suffix not in FILES:
                continue
            if not any(any(folder.glob(path)) for folder in seen_from):
                yield path

    assert unknown(missing, lambda _: False) == []


def test_links_lead_somewhere() -> None:
    def broken(document: str) -> Iterator[str]:
        for link in links(document):
            target, _, anchor = link.partition("#")
            path = (ROOT / document).parent / target if target else ROOT / document
            if ":" not in target and not is_there(path, anchor):
                yield link

    assert unknown(broken, lambda _: False) == []


def is_there(path: Path, anchor: str) -> bool:
    return path.exists() and (not anchor or anchor in anchors(str(path.resolve().relative_to(ROOT))))


def commands(document: str) -> Iterator[list[str]]:
    """Yield the words of each command in the spans and blocks of a document, without what follows a pipe."""
    texts = [*spans(document)]
    for block in blocks(document):
        if block.language == "console":
            texts += [line.removeprefix("$ ") for line in block.text.replace("\\\n", "").splitlines()]
    for text in texts:
        plain = re.sub(r"(^|\s)#.*|[|;&].*|[<>]\S*", "", text)
        try:
            words = shlex.split(re.sub(r"^(\w+=\S+\s+)+", "", plain.strip()))
        except ValueError:
            continue
        if words:
            yield [words[0].rpartition("/")[2], *words[1:]]


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


PARSERS = {"dialctl": arguments._parser(), "dial-gateway": main._parser(["simulator"])}
TARGETS = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
WORD = re.compile(r"[a-z][a-z-]*")


def test_commands_and_their_options_exist() -> None:
    def lines(document: str) -> Iterator[str]:
        return map(shlex.join, commands(document))

    assert unknown(lines, lambda line: is_known(shlex.split(line))) == []


def is_known(words: list[str]) -> bool:
    """Return whether a command exists with its options; a command of others counts as known."""
    name, *rest = words
    if name in PARSERS:
        return fits(PARSERS[name], rest)
    if name == "make":
        return {word for word in rest if WORD.fullmatch(word)} <= TARGETS
    if name == "python" and rest[:1] == ["-m"] and rest[1:]:
        return find_spec(rest[1]) is not None
    return True


def fits(parser: argparse.ArgumentParser, words: list[str]) -> bool:
    below = subcommands(parser)
    if below and words and WORD.fullmatch(words[0]):
        return all(name in below and fits(below[name], words[1:]) for name in words[0].split("|"))
    options = {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z].*", word)}
    known = {
        option
        for one in (parser, *below.values())
        for action in one._actions
        for option in action.option_strings
    }
    return options <= known


def test_readme_lists_all_settings_with_their_defaults() -> None:
    rows = re.findall(rf"^\| (`{PREFIX}.*?) \| (.*?) \| .* \|$", text_of("README.md"), re.MULTILINE)
    listed: dict[str, str] = {}
    for names, default in rows:
        first, *others = re.findall(r"`(\w+)`", names)
        listed |= {first: default} | {full_name(first, other): default for other in others}
    assert listed.keys() == SETTINGS
    for name, default in listed.items():
        if (shown := re.fullmatch(r"`(.*)`", default)) is not None:
            assert value_of(load({name: shown[1]})[0], name) == value_of(Settings(), name), name
        else:
            assert value_of(Settings(), name) in {None, ()}, name


def full_name(first: str, ending: str) -> str:
    """Return the setting that a row abbreviates: `_TLS_KEY_FILE` beside `DIAL_GATEWAY_TLS_CERT_FILE`."""
    return max(ending_with(ending), key=lambda name: len(commonprefix([first, name])))  # noqa: RUF071


def value_of(settings: Settings, name: str) -> object:
    return getattr(settings, name.removeprefix(PREFIX).lower())


def test_a_name_that_does_not_exist_is_noticed() -> None:
    assert is_known(["dialctl", "hold", "x", "--reason", "y"])
    assert not is_known(["dialctl", "hold", "x", "--because", "y"])
    assert not is_known(["dialctl", "pause", "x"])
    assert not is_known(["dial-gateway", "serve", "--simulated"])
    assert not is_known(["make", "tests"])
    assert find_value(["gateway", "drainGrace"])
    assert find_value(["gateway", "drainTime"]) is None
