"""A mail server that keeps what it is sent, for the tests of notices."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


class _Session(socketserver.StreamRequestHandler):
    """Speak as much of SMTP (RFC 5321) as a client needs to hand over a mail."""

    def handle(self) -> None:
        self.answer("220 sink")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.answer("354 go on")
                self.server.mails.append(self.content())  # type: ignore[attr-defined]
            self.answer("221 bye" if verb == b"QUIT" else "250 ok")
            if verb == b"QUIT":
                return

    def answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def content(self) -> bytes:
        lines: list[bytes] = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line)
        return b"".join(lines)


@contextmanager
def smtp_sink() -> Iterator[tuple[str, list[bytes]]]:
    """Give an address of Apprise that leads to a mail server, and the mails that it was sent."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Session) as server:
        server.mails = []  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"mailto://127.0.0.1:{server.server_address[1]}?from=ward@example.org&to=team@example.org"
        yield url, server.mails  # type: ignore[attr-defined]
        server.shutdown()
