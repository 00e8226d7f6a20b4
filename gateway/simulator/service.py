"""An AWS service as botocore's service model describes it: its routes, inputs and errors."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote

import botocore.session
from botocore.model import OperationModel, ServiceModel

from gateway.simulator.errors import CallError, IllegalCallError
from gateway.simulator.validation import Check, Violation, compile_check


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its route, and how to read its input."""

    name: str
    status: int
    labels: Mapping[str, str]
    """Input member by the label in the path that carries it."""
    check: Check

    def read(self, labels: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the input of a call, parsed and checked.

        Raises:
            CallError: SerializationException, the body is not JSON.
            IllegalCallError: ValidationException, a constraint of the service model is broken.

        """
        document = _read_json(body) if body else {}
        if not isinstance(document, dict):
            raise CallError("SerializationException", "The body is not a JSON object", status=400)
        for label, member in self.labels.items():
            document[member] = labels[label]
        try:
            parsed: dict[str, Any] = self.check(document)
        except Violation as violation:
            raise IllegalCallError(str(violation)) from None
        return parsed


@functools.cache
def service_of(name: str, operations: frozenset[str]) -> Service:
    """Return a service of botocore's model: read once in a process, since that takes 25 ms."""
    return Service(name, operations)


class Service:
    """The routes of one service model, limited to the operations that the simulator has."""

    def __init__(self, service: str, operations: Collection[str]) -> None:
        model = botocore.session.get_session().get_service_model(service)
        self._routes = [
            (_route_method(model, name), _route_pattern(model, name), _operation(model, name))
            for name in sorted(operations)
        ]
        self._statuses: dict[str, int] = {
            shape.name: shape.metadata["error"]["httpStatusCode"] for shape in model.error_shapes
        }

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation at this method and raw path, with the decoded labels of the path.

        The path is matched before it is decoded, so an id may contain an encoded slash.
        """
        for route_method, pattern, operation in self._routes:
            if route_method == method and (found := pattern.fullmatch(path)):
                return operation, {name: unquote(text) for name, text in found.groupdict().items()}
        return None

    def status_of(self, code: str) -> int:
        """Return the HTTP status of an error code, 500 for a code that is not in the model."""
        return self._statuses.get(code, 500)


def _operation(model: ServiceModel, name: str) -> Operation:
    operation = model.operation_model(name)
    shape = operation.input_shape
    if shape is None:
        raise NotImplementedError(f"{name} has no input")
    labels = {
        member.serialization["name"]: member_name
        for member_name, member in shape.members.items()
        if member.serialization.get("location") == "uri"
    }
    return Operation(name, operation.http["responseCode"], labels, compile_check(shape))


def _route_method(model: ServiceModel, name: str) -> str:
    return str(_http(model, name)["method"])


def _route_pattern(model: ServiceModel, name: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", str(_http(model, name)["requestUri"]))
    # Every second part is the name of a label.
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    )


def _http(model: ServiceModel, name: str) -> Mapping[str, Any]:
    operation: OperationModel = model.operation_model(name)
    return operation.http


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise CallError("SerializationException", "The body is not valid JSON", status=400) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
