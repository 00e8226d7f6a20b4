"""Builds the audit trails of the guard that the settings ask for."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.compliance.key_file import read_key
from gateway.composition.replica_name import replica_name
from gateway.control.guard_trail import GuardTrail
from gateway.settings import Settings, SettingsError
from gateway.telemetry import trail_export_from
from gateway.trail.export_sink import ExportSink
from gateway.trail.lines import Lines
from gateway.trail.trail_file import TrailFile
from gateway.trail.writer import Trail

NO_TRAIL_KEY = (
    "DIAL_GATEWAY_GUARD_KEY_FILE: must be set for an audit trail: numbers are in it as hashes with this key"
)
FILE = "DIAL_GATEWAY_GUARD_AUDIT_FILE"
OTLP = "DIAL_GATEWAY_GUARD_AUDIT_OTLP"


def trail_of(
    settings: Settings, hash_of: Callable[[str], bytes], environment: Mapping[str, str]
) -> GuardTrail:
    """Return the trails, which are not started yet; none if the settings name none.

    `hash_of` hashes numbers. Raises `SettingsError` for a file that cannot be written, and without a key.
    """
    if settings.guard_audit_file is None and not settings.guard_audit_otlp:
        return GuardTrail({}, required=False)
    if settings.guard_key_file is None:
        raise SettingsError(NO_TRAIL_KEY)
    key, name = read_key(settings.guard_key_file), replica_name(settings)
    trails = {}
    if settings.guard_audit_otlp:
        trails["otlp"] = Trail("otlp", _export_sink(environment), Lines(name, key, hash_of))
    if settings.guard_audit_file is not None:
        path = trail_path(settings.guard_audit_file, name)
        file = TrailFile(path, settings.guard_audit_file_bytes, settings.guard_audit_files)
        try:
            end = file.open()
        except OSError as error:
            words = f"cannot write {path}: {error.strerror}" if error.strerror else str(error)
            raise SettingsError(f"{FILE}: {words}") from None
        trails["file"] = Trail(str(path), file, Lines(name, key, hash_of, end))
    return GuardTrail(trails, required=settings.guard_audit_required)


def trail_path(text: str, replica: str) -> Path:
    """Return the path of the trail's file: `{replica}` in the setting stands for the name of the replica."""
    return Path(text.replace("{replica}", replica))


def _export_sink(environment: Mapping[str, str]) -> ExportSink:
    export = trail_export_from(environment)
    if export is None:
        raise SettingsError(f"{OTLP}: needs a collector of log records: set OTEL_EXPORTER_OTLP_ENDPOINT")
    return ExportSink(export.export, export.close, lambda: export.rejected)
