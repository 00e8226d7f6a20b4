"""The policies in the documentation are valid for the gateway."""

import json
from contextlib import suppress
from typing import Any

import jsonschema
import pytest
import yaml

from gateway.access.errors import PolicyError
from gateway.access.policy_file import parse_policy
from gateway.core.model import Priority
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable
from tests.docs.documents import ROOT, blocks

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "policy.schema.json").read_text())
POLICIES = jsonschema.Draft202012Validator(SCHEMA)


def example(path: str) -> str:
    """Return the policy that a document shows."""
    (policy,) = [block.text for block in blocks(path) if block.file == "policy.yaml"]
    return policy


def fits(text: str) -> bool:
    try:
        return POLICIES.is_valid(yaml.safe_load(text))
    except yaml.YAMLError:
        return False


@pytest.mark.parametrize("path", ["README.md", "docs/policy.md"])
def test_the_examples_are_policies(path: str) -> None:
    assert fits(example(path))
    assert len(parse_policy(example(path), CampaignDirectory()).entries) >= 2


def test_the_example_says_what_its_words_say() -> None:
    directory = CampaignDirectory()
    policy = parse_policy(example("docs/policy.md"), directory)
    entries = [
        CampaignEntry("id-1", "cards", {"purpose": "alerts"}),
        CampaignEntry("id-2", "surveys"),
        CampaignEntry("id-3", "payment-north"),
    ]
    directory.publish(CampaignTable(entries))
    billing = policy.grant("spiffe://example.org/ns/billing/sa/night")
    anybody = policy.grant("spiffe://example.org/ns/x/sa/y")
    assert billing is not None
    assert anybody is not None
    assert billing.may_dial("id-1") is Priority.HIGH
    assert billing.may_dial("id-2") is None  # the first entry that names it counts, alone
    assert billing.may_dial("id-3") is Priority.NORMAL
    assert anybody.may_dial("id-2") is Priority.BULK


@pytest.mark.parametrize(
    "change",
    [
        ("version: 1", "version: 2"),
        ("weight: 3", "weight: 0"),
        ("weight: 3", "weight: 101"),
        ("window: 20000", "window: many"),
        ("priority: HIGH", "priority: high"),
        ("dial:", "dails:"),
        ("hold:", "pause:"),
        ('see: ["*"]', "see: []"),
        ('see: ["*"]', "see: '*'"),
        ("callers:", "callers: []\nothers:"),
        ("identities:", "names:"),
        ("tag:purpose=alerts", "tag:purpose"),
        ("tag:purpose=", "tag:p*="),
        ('"name:surveys"', '"name:"'),
    ],
)
def test_the_schema_refuses_what_the_gateway_refuses(change: tuple[str, str]) -> None:
    text = example("docs/policy.md").replace(*change, 1)
    assert text != example("docs/policy.md")
    refused = True
    with suppress(PolicyError):
        parse_policy(text, CampaignDirectory())
        refused = False
    assert refused
    assert not fits(text)
