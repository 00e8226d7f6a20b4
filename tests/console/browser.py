"""A headless Chromium that a test controls by the DevTools protocol over a WebSocket.

Keys and clicks are sent as input events, so that the page handles them like those of a person.
"""

import asyncio
import base64
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers; the page is our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
    "--mute-audio",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP console.example.org 127.0.0.1",
    "--remote-debugging-port=0",
)
START_S, PATIENCE_S = 90.0, 45.0
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Space": 32, "Home": 36}
_TEXT = {"Enter": "\r", "Space": " "}


def chromium() -> str:
    """Return the browser's path. Raises `AssertionError`, which says how to install one, if there is none."""
    for name in (os.environ.get("CHROMIUM", ""), *NAMES):
        if name and (found := shutil.which(name)):
            return found
    raise AssertionError("no Chromium is here: run scripts/chromium.sh, or name one in CHROMIUM")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.session = ""
        self.errors: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; return its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": self.session} if self.session else {}))
        async with asyncio.timeout(PATIENCE_S):
            told: dict[str, Any] = await answer
            return told

    async def attach(self) -> None:
        """Open a tab, and record its errors."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Performance"):
            await self.send(f"{domain}.enable")

    async def show(self, width: int, height: int, *, dark: bool = False, scale: float = 1.0) -> None:
        """Set the size of the window, in CSS pixels, and the system's color theme."""
        mobile = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[theme])

    async def open(self, url: str) -> None:
        """Open an address, and wait until the console has drawn its first state."""
        await self.send("Page.navigate", url=url)
        await self.until("document.documentElement?.dataset.look")

    async def run(self, expression: str) -> Any:
        """Return the value of an expression in the page, awaited if it is a promise."""
        found = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = PATIENCE_S) -> Any:
        """Wait until an expression is true in the page; return its value."""
        try:
            async with asyncio.timeout(seconds):
                while (value := await self.run(expression)) in (None, False, ""):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {expression}; {self.errors}") from None
        return value

    async def key(self, name: str, *, control: bool = False) -> None:
        """Press a key."""
        text = "" if control else _TEXT.get(name, name if len(name) == 1 else "")
        code = _KEYS.get(name, ord(name.upper()) if len(name) == 1 else 0)
        key = " " if name == "Space" else name
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if control else 0}
        about |= {"code": name} if len(name) > 1 else {}
        kind = "keyDown" if text else "rawKeyDown"
        commands = ["selectAll"] if control and name == "a" else []
        await self.send("Input.dispatchKeyEvent", type=kind, text=text, commands=commands, **about)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    async def type(self, text: str) -> None:
        """Type text into the focused element."""
        await self.send("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Click on the center of an element."""
        place = await self.until(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        where = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, **where)

    async def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        await self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def picture(self) -> bytes:
        """Return a PNG picture of the visible part of the page."""
        taken = await self.send("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        return base64.b64decode(taken["data"])

    async def close(self) -> None:
        """Stop reading from the browser."""
        self._reading.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            waiting = self._waiting.pop(told.get("id", 0), None)
            if waiting is None:
                self._note(told)
            elif "error" in told:
                waiting.set_exception(AssertionError(told["error"]))
            elif not waiting.done():
                waiting.set_result(told["result"])

    def _note(self, told: dict[str, Any]) -> None:
        """Record exceptions and log entries of level error from the page."""
        about = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(about["exceptionDetails"]))
        if told.get("method") == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """Run a separate Chromium with one tab and a temporary profile."""
    with tempfile.TemporaryDirectory(prefix="console-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            chromium(),
            *FLAGS,
            f"--user-data-dir={folder}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            address = await _address(Path(folder), process)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as socket,
            ):
                page = Page(socket)
                await page.attach()
                yield page
                await page.close()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _address(folder: Path, process: asyncio.subprocess.Process) -> str:
    """Return the address of the browser's WebSocket, which it writes into a file."""
    told = folder / "DevToolsActivePort"
    async with asyncio.timeout(START_S):
        while not (told.is_file() and len(lines := told.read_text().split()) == 2):
            assert process.returncode is None, f"{chromium()} ended with {process.returncode}"
            await asyncio.sleep(0.05)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
