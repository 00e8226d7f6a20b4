"""Makes a client of one version of Connect's API: region, endpoint, models and credentials.

Both senders start from it. The direct sender reads it only: it sends no call through the client. boto3's
clients are botocore's, so only the sender of that name makes them through boto3, which takes 5 MB.
"""

import copy
import functools
import gzip
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import botocore
import botocore.session
from botocore.config import Config
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import JSONFileLoader, Loader, create_loader

from gateway.connect.api_versions import ConnectApi
from gateway.connect.credentials import AccessKeys, Provider

USER_AGENT = f"Botocore/{botocore.__version__} dial-gateway"
"""Written once: botocore would put its own together twice for each call, at a tenth of the call's cost."""

_DEFAULT_TIMEOUT_S = 60.0
"""botocore's default."""
Create = Callable[..., Any]
"""Makes a client from a session of botocore; takes the other arguments of its `create_client`, too."""
BOTOCORE: Create = botocore.session.Session.create_client


class AwsClient(NamedTuple):
    """A client of botocore, and where its credentials and certificate authorities come from.

    `ca_bundle` is the path that AWS_CA_BUNDLE or the profile names, None if neither does.
    """

    client: Any
    credentials: Any
    ca_bundle: str | None


def aws_client(
    api: ConnectApi,
    keys: AccessKeys,
    *,
    region: str | None,
    endpoint_url: str | None,
    timeout_s: float | None = None,
    create: Create = BOTOCORE,
) -> AwsClient:
    """Make a client. Raises botocore's `NoRegionError`, and ValueError if the endpoint is not a URL.

    `timeout_s` is the time limit of a connection and of a reply, for a client that sends by itself. `create`
    makes it from a session.
    """
    base = botocore.session.Session(event_hooks=copy.copy(_handlers()), include_builtin_handlers=False)
    base.register_component("credential_provider", Provider(keys))
    base.register_component("data_loader", loader_of(base.get_config_variable("data_path")))
    client = create(
        base, api.service, region_name=region, config=_config(timeout_s), endpoint_url=endpoint_url
    )
    return AwsClient(client, base.get_credentials, base.get_config_variable("ca_bundle"))


@functools.cache
def _handlers() -> HierarchicalEmitter:
    """Return botocore's own event handlers, which each session gets a copy of.

    botocore registers them in each session, which takes twice as long as all else that a client needs.
    """
    handlers = HierarchicalEmitter()
    botocore.session.Session(event_hooks=handlers)
    return handlers


class _PlainFiles(JSONFileLoader):
    """Reads JSON files into plain dictionaries: botocore's ordered ones take twice the memory and time."""

    def load_file(self, file_path: str) -> Any:
        """Return the content of the file `file_path` plus `.json` or `.json.gz`, None if there is neither."""
        for suffix, opened in (".json", open), (".json.gz", gzip.open):
            try:
                with opened(file_path + suffix, "rb") as file:
                    return json.loads(file.read())
            except FileNotFoundError:
                continue
        return None


class _ServiceModelLoader(Loader):
    """Read AWS's service models once, and share them among all sessions of this process."""

    FILE_LOADER_CLASS = _PlainFiles

    @property
    def search_paths(self) -> list[str]:
        """The folders that are searched. A copy, because each session of boto3 appends one to it."""
        return list(super().search_paths)


@functools.cache
def loader_of(data_path: str | None) -> Loader:
    """Return the loader of all sessions; it searches the folders of `AWS_DATA_PATH` before botocore's own.

    botocore makes a loader for each session, which lists the folders of all services and parses the models
    again: most of the time that it takes to create a client.
    """
    folders = create_loader(data_path).search_paths
    return _ServiceModelLoader(extra_search_paths=folders, include_default_search_paths=False)


def _config(timeout_s: float | None) -> Config:
    return Config(
        connect_timeout=timeout_s or _DEFAULT_TIMEOUT_S,
        read_timeout=timeout_s or _DEFAULT_TIMEOUT_S,
        retries={"total_max_attempts": 1, "mode": "standard"},
        parameter_validation=False,
        user_agent=USER_AGENT,
    )
