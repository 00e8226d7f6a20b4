"""Takes over changes of the settings file while the gateway runs.

Only settings marked as live change. Others are named in the log, since they need a restart.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway import settings as setting_files
from gateway.access.errors import AccessError, StillChangingError
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import SYSTEM_CLOCKS, WRITTEN_QUIET_S, FileClocks
from gateway.control.audit import Actor, Audit, AuditEvent, Event, IdentifiedBy, Interface
from gateway.settings import Change, Settings, SettingsError

log = logging.getLogger(__name__)


class LiveSettings:
    """The settings in use, and the file that they come from. `apply` puts changed ones to use.

    Variables win over the file, as at the start: a setting that a variable sets does not change.
    `environment` has the variables. Each change is in the audit record.
    """

    def __init__(
        self,
        running: Settings,
        environment: Mapping[str, str],
        apply: Callable[[Settings], None],
        audit: Audit,
        clocks: FileClocks = SYSTEM_CLOCKS,
    ) -> None:
        self.in_use = running
        self._environment = environment
        self._apply = apply
        self._audit = audit
        self._path = environment.get(setting_files.CONFIG, "")
        self._hidden: list[str] = []
        self.file: Reloaded[Settings] | None = None
        if self._path:
            self.file = Reloaded("the settings file", [self._path], self._load, WRITTEN_QUIET_S, clocks)

    @property
    def refused(self) -> int | None:
        """How many changes of the file could not be used; None without a file."""
        return None if self.file is None else self.file.refused

    def reread(self) -> bool:
        """Read the file again if it has changed; return whether `take_over` has something to do.

        It may run in a thread, and takes as long as the disk does.
        """
        return self.file is not None and self.file.reread()

    def check_start(self) -> None:
        """Apply what has changed since the settings were read for the start.

        Raises `StillChangingError` if that needs a restart: the gateway was put together from a file that was
        not complete.
        """
        if self.file is None or self.file.value == self.in_use:
            return
        self.take_over()
        waiting = [change.name for change in setting_files.changes(self.in_use, self.file.value)]
        if waiting:
            names = ", ".join(waiting)
            raise StillChangingError(f"{self._path}: {names} changed during the start; start again")

    def take_over(self) -> None:
        """Apply the live settings that have changed. Names the others in the log."""
        if self.file is None:
            return
        differing = setting_files.changes(self.in_use, self.file.value)
        applied = [change for change in differing if change.live]
        waiting = [change.name for change in differing if not change.live]
        if applied:
            self.in_use = replace(self.in_use, **{change.name: change.after for change in applied})
            self._apply(self.in_use)
        for change in applied:
            self._record(change)
        if waiting:
            log.warning("these changed settings need a restart: %s", ", ".join(waiting))
        if self._hidden:
            log.warning(
                "settings in the file without effect, since variables set them: %s", ", ".join(self._hidden)
            )

    def _record(self, change: Change) -> None:
        actor = Actor(self._path, IdentifiedBy.FILE, Interface.FILE)
        fields = {"setting": change.name, "before": change.before, "after": change.after}
        self._audit.write(AuditEvent(Event.SETTING, "a setting is changed", actor, fields=fields))

    def _load(self) -> Settings:
        try:
            loaded, _ = setting_files.load(self._environment)
            self._hidden = setting_files.hidden_by_variables(self._environment)
        except SettingsError as error:
            raise AccessError(str(error)) from None
        return loaded
