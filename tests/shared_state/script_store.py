"""The scripts on a real server, on a clock that the test sets.

The clock of a real server cannot be stopped. Here the scripts see exactly the instant of the test's clock,
and the server's expiry of keys follows that clock too: before each script, every key that expires gets the
time that is left to it on the test's clock.
"""

import importlib.resources
from collections.abc import Mapping
from typing import cast

import valkey

from gateway.shared_state.commands.script_call import PROLOGUE, Reply, ScriptCall, script
from tests.shared_state.servers import Server

BASE_MS = 2_000_000_000_000
"""Where the test's clock begins, in milliseconds since the epoch."""
GRAIN_MS = 10
"""Scripts let keys live for multiples of this: the server's own clock goes on, so the rest is rounded."""
_ENDS = """
local found = redis.call('TIME')
for _, key in ipairs(redis.call('KEYS', '*')) do
    found[#found + 1] = key
    found[#found + 1] = redis.call('PEXPIRETIME', key)
end
return found
"""
"""Returns the server's time, then each key and when it expires."""
_CLOCK = "now_ms = function() return clock_shift_ms end\n"


class ScriptStore:
    """Runs scripts on a server that is empty at first. `now_ms` is the clock of scripts and keys.

    `edits` are changes of scripts, by name: a text, and what takes its place. They show that a test notices
    a wrong script.
    """

    def __init__(self, server: Server, edits: Mapping[str, tuple[str, str]] | None = None) -> None:
        self._client = valkey.Valkey(port=server.port, socket_timeout=5.0)
        self._edits = edits or {}
        self._texts: dict[str, bytes] = {}
        self._ends_ms: dict[bytes, int] = {}
        self.now_ms = BASE_MS
        self.flush()

    @property
    def replication(self) -> str:
        """The id of the server's replication history."""
        info = self._client.info("replication")
        assert isinstance(info, dict)
        return str(info["master_replid"])

    def run(self, call: ScriptCall) -> Reply:
        """Run a script at the present instant of the test's clock."""
        pipeline = self._client.pipeline(transaction=True)
        for key, end_ms in self._ends_ms.items():
            if end_ms < self.now_ms:
                pipeline.delete(key)
            else:
                pipeline.pexpire(key, max(end_ms - self.now_ms, GRAIN_MS // 2))
        before = len(self._ends_ms)
        text = self._text(call.script)
        pipeline.eval(text, len(call.keys), *call.keys, *call.args, self.now_ms)  # type: ignore[arg-type]
        pipeline.eval(_ENDS, 0)
        replies = pipeline.execute()
        self._note_ends(replies[before + 1])
        return cast("Reply", replies[before])

    def write(self, key: str, value: str | None) -> None:
        """Write a value by hand, which no script does; None writes a list."""
        self._client.delete(key)
        self._ends_ms.pop(key.encode(), None)
        if value is None:
            self._client.rpush(key, "a", "list")
        else:
            self._client.set(key, value)

    def flush(self) -> None:
        """Remove all keys."""
        self._client.flushall()
        self._ends_ms.clear()

    def snapshot(self) -> tuple[dict[bytes, bytes], dict[bytes, int]]:
        """Return all keys and when they expire, as a replica of the server has them at this moment."""
        names = cast("list[bytes]", self._client.keys("*"))
        return {name: cast("bytes", self._client.dump(name)) for name in names}, dict(self._ends_ms)

    def fail_over(self, data: tuple[dict[bytes, bytes], dict[bytes, int]]) -> None:
        """Return to an earlier state, with another replication history, as a replica that takes over."""
        self.flush()
        self._client.execute_command("DEBUG", "CHANGE-REPL-ID")
        for name, dump in data[0].items():
            self._client.restore(name, 0, dump)
        self._ends_ms.update(data[1])

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _text(self, name: str) -> bytes:
        """Return a script whose clock is its last argument."""
        if name not in self._texts:
            prologue = importlib.resources.files("gateway.shared_state") / "scripts" / f"{PROLOGUE}.lua"
            production = prologue.read_text(encoding="utf-8")
            text = script(name).text.decode()
            assert production in text, "the prologue has moved"
            text = text.replace(production, production + _CLOCK)
            old, new = self._edits.get(name, ("", ""))
            assert old in text, f"{name}.lua has no {old!r}"
            self._texts[name] = (text.replace(old, new, 1) if old else text).encode()
        return self._texts[name]

    def _note_ends(self, found: list[bytes]) -> None:
        """Note for each key when it expires on the test's clock."""
        real_ms = int(found[0]) * 1000 + int(found[1]) // 1000
        ends_ms = zip(found[2::2], map(int, found[3::2]), strict=True)
        self._ends_ms = {name: self._end(name, end_ms - real_ms) for name, end_ms in ends_ms if end_ms > 0}

    def _end(self, name: bytes, left_ms: int) -> int:
        """Return when a key expires on the test's clock: as before, unless a script has changed it."""
        known = self._ends_ms.get(name)
        if known is not None and abs(known - self.now_ms - left_ms) <= GRAIN_MS // 2:
            return known
        return self.now_ms + GRAIN_MS * round(left_ms / GRAIN_MS)
