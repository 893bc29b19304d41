"""A headless Chromium, driven over a pipe with the DevTools protocol: JSON texts ended by a zero.

Its console messages and uncaught errors are collected.
"""

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-pipe", "--hide-scrollbars", "--disable-dev-shm-usage"),
)
_PIPES = 'exec "$0" "$@" 3<&{0} 4>&{1}'
_LONGEST_WAIT_SECONDS = 60
_BUTTONS = {"mousePressed": 1, "mouseReleased": 0, "mouseMoved": 0}


class Browser:
    """One browser with one page.

    Args:
        program: Chromium.
        folder: an empty folder for its profile.

    Attributes:
        errors: what the page logged as an error, and uncaught exceptions.
        requests: addresses that the page loaded.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        here, self._out = os.pipe()
        self._in, there = os.pipe()
        arguments = [str(program), *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", _PIPES.format(here, there), *arguments],
            pass_fds=(here, there),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(here)
        os.close(there)
        self._left = b""
        self._number = 0
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._attach()

    def _attach(self) -> None:
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._note(answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], _LONGEST_WAIT_SECONDS)
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise AssertionError("the browser has gone, or does not answer")
            self._left += data
        text, _, self._left = self._left.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning"):
                self.errors.append(json.dumps(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(parameters["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])

    def open(self, page: Path, size: tuple[int, int] = (1280, 800), scheme: str = "light") -> None:
        """Open a page in a window of so many pixels and wait until it has drawn a frame."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.errors.clear()
        self.requests.clear()
        self.call("Page.navigate", url=page.as_uri())
        self.run(
            "new Promise(done => { const look = () => document.readyState === 'complete' "
            "&& (window.unismp?.painter.frame.number || document.getElementById('state')"
            ".textContent.includes('cannot')) ? done() : setTimeout(look, 10); look(); })"
        )
        self.settle()

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until two more frames were shown."""
        frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.run(frame + ".then(() => null)")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send one event of the mouse: mousePressed, mouseReleased, mouseMoved or mouseWheel."""
        button = "left" if kind in ("mousePressed", "mouseReleased") else "none"
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button=button,
            buttons=_BUTTONS.get(kind, 0),
            clickCount=1,
            **more,
        )

    def click(self, x: float, y: float) -> None:
        """Click and wait for the frame."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)
        self.settle()

    def press(self, key: str) -> None:
        """Press and release a key that writes one letter, or a named one."""
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def screenshot(self) -> bytes:
        """Return the window as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """End the browser."""
        try:
            self._session = None
            self.call("Browser.close")
        except (AssertionError, OSError):
            self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser, or skip the test by name where Chromium is not installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    started = Browser(Path(found), tmp_path_factory.mktemp("profile"))
    yield started
    started.close()
