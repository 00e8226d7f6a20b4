"""The committed renderings of the chart; `make check` compares them with helm's output."""

import functools
from collections.abc import Iterator
from typing import Any

from scripts import chart, manifests

NAMES = tuple(chart.renderings())


@functools.cache
def documents(name: str) -> tuple[manifests.Manifest, ...]:
    """Return the manifests of one rendering."""
    return tuple(manifests.read(chart.committed(name)))


def all_of(name: str, kind: str) -> list[manifests.Manifest]:
    return [document for document in documents(name) if document["kind"] == kind]


def one(name: str, kind: str) -> manifests.Manifest:
    """Return the only manifest of a kind."""
    (found,) = all_of(name, kind)
    return found


def pod(name: str) -> dict[str, Any]:
    """Return the pod's template."""
    template: dict[str, Any] = one(name, "Deployment")["spec"]["template"]
    return template


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["spec"]["containers"]
    return dict(found)


def environment(name: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(name)["env"]}


def settings_of(name: str) -> dict[str, str]:
    """Return the variables of the container that are settings of the gateway."""
    return {name: value for name, value in environment(name).items() if name.startswith("DIAL_GATEWAY_")}


def scalars(value: Any) -> Iterator[Any]:
    """Yield every key and every scalar value in a manifest."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner)
    else:
        yield value
