"""The settings: from environment variables and, below them, a file; checked before anything starts.

`definitions` lists every setting once, `kinds` says how values are read, and `loading` reads them.
"""

from gateway.settings.changes import Change, changes
from gateway.settings.definitions import ApiName, LogFormat, SenderName, Settings
from gateway.settings.kinds import Kind, Network
from gateway.settings.loading import CONFIG, PREFIX, SettingsError, hidden_by_variables, load

__all__ = [
    "CONFIG",
    "PREFIX",
    "ApiName",
    "Change",
    "Kind",
    "LogFormat",
    "Network",
    "SenderName",
    "Settings",
    "SettingsError",
    "changes",
    "hidden_by_variables",
    "load",
]
