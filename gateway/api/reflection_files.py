"""The content of server reflection: the files that describe the services, by name and by symbol.

The table is made once, and contains only these services. protobuf's own pool is not used: it also shows the
messages of libraries, and it does not find methods, which `grpcurl describe` and ghz ask for.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from google.protobuf import descriptor_pb2

File = descriptor_pb2.FileDescriptorProto


class Described(Protocol):
    """A `FileDescriptor`, for which protobuf's stubs have two types."""

    @property
    def name(self) -> str:
        """The path of the file."""

    @property
    def dependencies(self) -> "Sequence[Described]":
        """The files that it imports."""

    def CopyToProto(self, proto: File) -> None:  # noqa: N802 - as in the library
        """Write the file into a message."""


def renamed(file: Described, package: str, name: str) -> File:
    """Return a copy of a file with its package renamed, which describes another version of it."""
    proto = _proto(file)
    old, proto.package, proto.name = f".{proto.package}.", package, name
    for message in proto.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(old, f".{package}.", 1)
    for service in proto.service:
        for method in service.method:
            method.input_type = method.input_type.replace(old, f".{package}.", 1)
            method.output_type = method.output_type.replace(old, f".{package}.", 1)
    return proto


class ReflectionFiles:
    """The files of the services, and all files that they import."""

    def __init__(self, files: Iterable[Described], more: Iterable[File] = ()) -> None:
        self._files: dict[str, tuple[bytes, ...]] = {}
        self._symbols: dict[str, str] = {}
        self.messages: set[str] = set()
        """The full names of all messages."""
        known: dict[str, Described] = {}
        for file in files:
            _collect(file, known)
        protos = {name: _proto(file) for name, file in known.items()} | {file.name: file for file in more}
        for proto in protos.values():
            needed = _with_imports(proto, protos)
            self._files[proto.name] = tuple(each.SerializeToString() for each in needed)
            self._symbols |= dict.fromkeys(_symbols(proto), proto.name)
            self.messages |= set(_messages(proto.package, proto.message_type))
        self.services = tuple(
            sorted(f"{each.package}.{service.name}" for each in protos.values() for service in each.service)
        )
        """The full names of all services."""

    def file(self, name: str) -> tuple[bytes, ...] | None:
        """Return a file and its imports, None if there is no such file."""
        return self._files.get(name)

    def file_with(self, symbol: str) -> tuple[bytes, ...] | None:
        """Return the file that declares a message, a field, an enum, a value, a service or a method."""
        return self.file(self._symbols.get(symbol, ""))


def _proto(file: Described) -> File:
    proto = File()
    file.CopyToProto(proto)
    return proto


def _collect(file: Described, known: dict[str, Described]) -> None:
    if file.name not in known:
        known[file.name] = file
        for needed in file.dependencies:
            _collect(needed, known)


def _with_imports(proto: File, protos: dict[str, File]) -> list[File]:
    found = {proto.name: proto}
    for name in proto.dependency:
        found |= {each.name: each for each in _with_imports(protos[name], protos)}
    return list(found.values())


def _symbols(file: File) -> Iterator[str]:
    """Yield the full name of everything that a file declares."""
    yield from _of_messages(file.package, file.message_type)
    yield from _of_enums(file.package, file.enum_type)
    for service in file.service:
        name = f"{file.package}.{service.name}"
        yield name
        yield from (f"{name}.{method.name}" for method in service.method)


def _of_messages(scope: str, messages: Iterable[descriptor_pb2.DescriptorProto]) -> Iterator[str]:
    for message in messages:
        name = f"{scope}.{message.name}"
        yield name
        yield from (f"{name}.{field.name}" for field in message.field)
        yield from (f"{name}.{oneof.name}" for oneof in message.oneof_decl)
        yield from _of_messages(name, message.nested_type)
        yield from _of_enums(name, message.enum_type)


def _of_enums(scope: str, enums: Iterable[descriptor_pb2.EnumDescriptorProto]) -> Iterator[str]:
    for enum in enums:
        yield f"{scope}.{enum.name}"
        yield from (f"{scope}.{value.name}" for value in enum.value)  # without the enum's name


def _messages(scope: str, messages: Iterable[descriptor_pb2.DescriptorProto]) -> Iterator[str]:
    for message in messages:
        name = f"{scope}.{message.name}"
        yield name
        yield from _messages(name, message.nested_type)
