"""What all clients of a process share: AWS's service models, and botocore's event handlers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

from gateway.connect.api_versions import APIS, ApiName
from gateway.connect.aws_client import BOTOCORE, aws_client, loader_of
from gateway.connect.boto_sender import BotoConnect, by_boto3
from gateway.connect.credentials import AccessKeys

REGION = "us-east-1"


def name_of(handler: Any) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__qualname__))


def handlers_of(client: Any) -> list[tuple[str, int, str]]:
    """Return the event handlers of a client: event, section, name; in the order in which they are called."""

    def below(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
        for section, handlers in enumerate(node["values"] or ()):
            yield from ((".".join(path), section, name_of(handler)) for handler in handlers)
        for part, child in node["children"].items():
            yield from below(child, (*path, part))

    return list(below(client.meta.events._emitter._handlers._root, ()))


async def test_clients_share_what_was_read() -> None:
    """No client searches more folders than the one before."""
    loader = loader_of(None)
    folders = loader.search_paths
    for _ in range(3):
        connect = BotoConnect(
            threads=1,
            timeout_s=1.0,
            endpoint_url="http://127.0.0.1:1",
            region="us-east-1",
            credentials=("k", "s"),
        )
        await connect.close()
    assert loader_of(None) is loader
    assert loader.search_paths == folders


def test_models_of_the_operator_come_first(tmp_path: Path) -> None:
    """Models in a folder of AWS_DATA_PATH replace botocore's own."""
    model = tmp_path / "connectcampaigns" / "2021-01-30" / "service-2.json"
    model.parent.mkdir(parents=True)
    model.write_text('{"version": "2.0", "metadata": {"serviceId": "theirs"}}')
    loaded = loader_of(str(tmp_path)).load_service_model("connectcampaigns", "service-2")
    assert loaded["metadata"]["serviceId"] == "theirs"


def usual_client(library: str, service: str) -> Any:
    """Return a client of a library's own session."""
    retries = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    if library == "botocore":
        return botocore.session.Session().create_client(service, region_name=REGION, config=retries)
    session: Any = boto3.Session(region_name=REGION)
    return session.client(service, config=retries)


@pytest.mark.parametrize("name", ["v1", "v2"])
@pytest.mark.parametrize("library", ["botocore", "boto3"])
def test_a_client_has_the_event_handlers_of_its_library(name: ApiName, library: str) -> None:
    """The second client, too, has each of them once, in the same order, and none of the first one."""
    keys, api = AccessKeys.fixed("k", "s"), APIS[name]
    create = BOTOCORE if library == "botocore" else by_boto3
    first = aws_client(api, keys, region=REGION, endpoint_url=None, create=create).client
    first.meta.events.register("before-sign.*", lambda **_: None)
    second = aws_client(api, keys, region=REGION, endpoint_url=None, create=create).client
    usual = handlers_of(usual_client(library, api.service))
    assert handlers_of(second) == usual
    assert len(usual) > 100
