"""Chromium, driven over a pipe by its own debugging protocol."""

import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip

_CODES = {
    "Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


class Browser:
    """One page of a running Chromium; commands and events are JSON ended by a zero byte."""

    def __init__(self, writer: int, reader: int) -> None:
        self._writer, self._reader = writer, reader
        self._number = 0
        self._buffer = b""
        self.session: str | None = None
        """The tab that commands go to."""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._targets: dict[str, str] = {}
        self.new_tab()

    def new_tab(self) -> str:
        """Open a further tab. Commands go to it from now on."""
        self.session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = str(self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self.session, self._targets[session] = session, target
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return session

    def close_tab(self, session: str) -> None:
        """Close a tab; then `session` must be set to another one."""
        self.session = None
        self.send("Target.closeTarget", targetId=self._targets.pop(session))

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command and wait for its answer; what the page complains of meanwhile is kept."""
        number = self._give(method, parameters)
        while (answer := self._next()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def _give(self, method: str, parameters: dict[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        return self._number

    def open(self, path: Path, width: int) -> None:
        """Show a file in a window of a width, and wait until it has loaded."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)
        self.go(path.as_uri())

    def go(self, address: str) -> None:
        """Show what is at an address, and wait until it has loaded."""
        self.send("Page.navigate", url=address)
        while (event := self._next()).get("method") != "Page.loadEventFired":
            self._note(event)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression. The page's own policy does not bind the debugger."""
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, *keys: str, shift: bool = False, control: bool = False) -> None:
        """Press keys one after the other: names as in `KeyboardEvent.key`, or characters."""
        for key in keys:
            code = _CODES.get(key, ord(key.upper()[0]))
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 and not control else "")
            held = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift + 2 * control}
            self.send("Input.dispatchKeyEvent", type="keyDown", **held, **({"text": text} if text else {}))
            self.send("Input.dispatchKeyEvent", type="keyUp", **held)

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.send("Input.insertText", text=text)

    def print(self) -> bytes:
        """The page as a PDF file."""
        return base64.b64decode(self.send("Page.printToPDF")["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._reader, 1 << 20)
            assert part, "the browser has gone"
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Log.entryAdded":
            self.complaints.append(event["params"]["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(event["params"]["exceptionDetails"]))
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])
        elif event.get("method") == "Page.javascriptDialogOpening":  # a page that asks before it is left: leave it
            self._give("Page.handleJavaScriptDialog", {"accept": True})


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A Chromium with an empty profile, ended afterwards."""
    to_browser, from_browser = os.pipe(), os.pipe()
    ends = (to_browser[0], from_browser[1])

    def hand_over() -> None:  # the browser reads commands from descriptor 3 and answers on 4
        kept = [os.dup(end) for end in ends]
        os.dup2(kept[0], 3)
        os.dup2(kept[1], 4)

    command = ["chromium", *FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        command, preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for end in ends:
        os.close(end)
    try:
        yield Browser(to_browser[1], from_browser[0])
    finally:
        process.kill()
        process.wait()
        os.close(to_browser[1])
        os.close(from_browser[0])
