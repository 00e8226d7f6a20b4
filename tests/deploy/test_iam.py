"""The minimal IAM policy allows what the gateway calls, and nothing else."""

import json
from typing import Any

import boto3
import pytest

from gateway.connect import api_versions
from scripts import chart
from tests.deploy import rendered
from tests.docs.documents import blocks

IAM = chart.ROOT / "deploy" / "iam"
PREFIX = "connect-campaigns"


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((IAM / name).read_text())
    return document


def test_the_policy_allows_the_operations_that_the_gateway_calls_and_no_others() -> None:
    statement, listing = read("policy.json")["Statement"]

    allowed = {*statement["Action"], listing["Action"]}
    assert allowed == {f"{PREFIX}:{operation}" for operation in api_versions.OPERATIONS}
    assert statement["Resource"].endswith(":campaign/*")
    # AWS has no resource type for this action, so a narrower resource would deny it.
    assert (listing["Action"], listing["Resource"]) == (f"{PREFIX}:{api_versions.LIST_OPERATION}", "*")


@pytest.mark.parametrize("api", api_versions.APIS.values(), ids=lambda api: str(api.service))
def test_every_action_is_an_operation_of_connect(api: api_versions.ConnectApi) -> None:
    client = boto3.client(api.service, region_name="us-east-1")  # type: ignore[call-overload]
    statement, _ = read("policy.json")["Statement"]
    actions = {action.partition(":")[2] for action in statement["Action"]}

    assert client.meta.service_model.signing_name == PREFIX
    assert {api.put_operation, api_versions.STATES_OPERATION} <= actions & set(
        client.meta.service_model.operation_names
    )


def test_the_readme_shows_the_same_policy() -> None:
    shown = [json.loads(block.text) for block in blocks("README.md") if block.language == "json"]

    assert shown == [read("policy.json")]


@pytest.mark.parametrize("name", ["trust-irsa.json", "trust-pod-identity.json"])
def test_the_role_is_for_the_account_of_the_gateway_only(name: str) -> None:
    (statement,) = read(name)["Statement"]
    account = rendered.one("production", "ServiceAccount")["metadata"]
    conditions = statement["Condition"]["StringEquals"].values()

    assert {account["name"], account["namespace"]} <= {
        part for text in conditions for part in text.split(":")
    }
