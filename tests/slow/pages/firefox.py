"""Firefox by the WebDriver BiDi protocol, which it speaks itself.

Playwright would need a Firefox of its own, which no package registry has.
"""

import base64
import itertools
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

QUIET = {
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "remote.prefs.recommended": True,
    "network.proxy.type": 1,  # a proxy that is not there: nothing leaves the machine
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,
}
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Firefox:
    """One tab. complaints: what the console was told as a warning or an error."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection, self.numbers = connection, itertools.count(1)
        self.complaints: list[str] = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        (tab,) = self.ask("browsingContext.getTree")["contexts"]
        self.tab = {"context": tab["context"]}

    def ask(self, method: str, **params: Any) -> Any:
        number = next(self.numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.connection.recv(timeout=90))
            if answer.get("method") == "log.entryAdded":
                entry = answer["params"]
                if entry["level"] in ("warn", "error"):
                    self.complaints.append(str(entry["text"]))
            elif answer.get("id") == number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return answer["result"]

    def open(self, page: Path, size: tuple[int, int] = (1280, 900)) -> None:
        """Open a page from disk and wait until it is ready."""
        viewport = {"width": size[0], "height": size[1]}
        self.ask("browsingContext.setViewport", **self.tab, viewport=viewport)
        self.ask("browsingContext.navigate", **self.tab, url=page.as_uri(), wait="complete")
        self.evaluate(
            "new Promise(done => { const look = () => document.documentElement.dataset.ready"
            " ? done(true) : setTimeout(look, 20); look(); })"
        )

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        found = self.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target=self.tab,
            awaitPromise=True,
        )
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return json.loads(found["result"].get("value", "null"))

    def press(self, *keys: str) -> None:
        """Press keys one after the other; special ones by their WebDriver code points."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self.ask("input.performActions", **self.tab, actions=[keyboard])

    def print(self) -> bytes:
        """The page on paper, as PDF."""
        return base64.b64decode(self.ask("browsingContext.print", **self.tab)["data"])

    def screenshot(self) -> bytes:
        shot = self.ask("browsingContext.captureScreenshot", **self.tab, origin="document")
        return base64.b64decode(shot["data"])


@contextmanager
def firefox(program: str, profile: Path, prefs: Mapping[str, Any]) -> Iterator[Firefox]:
    """Start Firefox with a profile of its own; it ends with the block."""
    profile.mkdir()
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in {**QUIET, **prefs}.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--no-remote", "--profile", str(profile)]
    command += ["--remote-debugging-port", "0", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = next(filter(None, map(LISTENING.search, process.stderr)))
            address = f"{found[1]}/session"
            with connect(address, max_size=None, proxy=None, open_timeout=60) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()
