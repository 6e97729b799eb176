"""An editor for tests: it starts `python -m trainconf lsp` and speaks the protocol over its standard input and output."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0  # of a machine that does much else


class Editor:
    """One connection. A context manager; leaving it ends the server, whose exit code must be 0.

    messages: notifications that have come and that nothing has waited for. encodings: of positions, as the editor offers them.
    """

    def __init__(self, folder: Path, *, encodings: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.messages: list[dict[str, Any]] = []
        self.log: list[str] = []
        self._encodings = list(encodings)
        self._last = 0
        self._versions: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._incoming: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Editor:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-m", "trainconf", "lsp"], cwd=self.folder, **pipes)  # type: ignore[call-overload]
        for work in (self._read, self._read_log):
            threading.Thread(target=work, daemon=True).start()
        try:
            self._initialize()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def _initialize(self) -> None:
        general = {"general": {"positionEncodings": self._encodings}} if self._encodings else {}
        capabilities = {**general, "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
        self.capabilities = self.ask("initialize", {"processId": None, "rootUri": self.folder.as_uri(), "capabilities": capabilities})
        self.tell("initialized", {})

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.ask("shutdown", None)
            self.tell("exit", None)
            assert self.process.wait(PATIENCE_S) == 0, self.log
        else:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    # -- files ---------------------------------------------------------------------------------------------------------

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> list[dict[str, Any]]:
        """Open a file; what is wrong with it."""
        return self.diagnostics(name, self.begin(name, text))

    def begin(self, name: str, text: str | None = None) -> int:
        """Open a file, and do not wait; the version of its text."""
        text = (self.folder / name).read_text() if text is None else text
        self._versions[name], self._texts[name] = 1, text
        self.tell("textDocument/didOpen", {"textDocument": {"uri": self.uri(name), "languageId": "yaml", "version": 1, "text": text}})
        return 1

    def close_all(self) -> None:
        """Close what is open, and forget what was told."""
        for name in self._texts:
            self.tell("textDocument/didClose", {"textDocument": {"uri": self.uri(name)}})
        self._texts.clear()
        self.messages.clear()

    def type(self, name: str, text: str) -> int:
        """Give an open file another text, and do not wait; its version."""
        self._versions[name] += 1
        self._texts[name] = text
        document = {"uri": self.uri(name), "version": self._versions[name]}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return self._versions[name]

    def change(self, name: str, text: str) -> list[dict[str, Any]]:
        """Give an open file another text; what is wrong with it."""
        return self.diagnostics(name, self.type(name, text))

    def diagnostics(self, name: str, version: int) -> list[dict[str, Any]]:
        """The next that is published of a version."""
        found = self.wait(lambda message: message.get("method") == "textDocument/publishDiagnostics"
                          and message["params"]["uri"] == self.uri(name) and message["params"].get("version") == version)  # fmt: skip
        return list(found["params"]["diagnostics"])

    def at(self, name: str, mark: str, *, end: bool = False) -> dict[str, Any]:
        """Where a piece of text begins, or ends, in an open file, in UTF-16."""
        text = self._texts[name]
        index = text.index(mark) + (len(mark) if end else 0)
        start = text.rfind("\n", 0, index) + 1
        position = {"line": text.count("\n", 0, index), "character": len(text[start:index].encode("utf-16-le")) // 2}
        return {"textDocument": {"uri": self.uri(name)}, "position": position}

    # -- messages ------------------------------------------------------------------------------------------------------

    def ask(self, method: str, params: object) -> Any:
        """The result of a request. An error is an AssertionError with its message."""
        answer = self.answer(method, params)
        assert "error" not in answer, answer["error"]["message"]
        return answer["result"]

    def answer(self, method: str, params: object) -> dict[str, Any]:
        """The whole answer to a request."""
        self._last += 1
        number = self._last
        self._send({"id": number, "method": method, **({} if params is None else {"params": params})})
        return self.wait(lambda message: message.get("id") == number and "method" not in message)

    def tell(self, method: str, params: object) -> None:
        self._send({"method": method, **({} if params is None else {"params": params})})

    def wait(self, wanted: Any) -> dict[str, Any]:
        """The next message that is wanted; the others are kept."""
        kept = next((message for message in self.messages if wanted(message)), None)
        if kept is not None:
            self.messages.remove(kept)
            return kept
        while True:
            found = self._incoming.get(timeout=PATIENCE_S)
            assert found is not None, f"the server is gone: {self.log}"
            if "method" in found and "id" in found:
                self._send({"id": found["id"], "result": None})
            is_notice = "method" in found
            if wanted(found):
                return found
            if is_notice:
                self.messages.append(found)

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while True:
            length = 0
            while (line := self.process.stdout.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if not line:
                self._incoming.put(None)
                return
            self._incoming.put(json.loads(self.process.stdout.read(length)))

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(line.decode(errors="replace") for line in self.process.stderr)
