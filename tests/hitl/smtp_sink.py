"""A small SMTP server on loopback that keeps what it is given, or refuses as told."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Sink(socketserver.ThreadingTCPServer):
    """Takes mail. `refuse` is what it answers to RCPT instead of 250."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[str] = []
        self.refuse = ""

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    server: Sink

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self._say("220 sink")
        while line := self.rfile.readline().decode().strip():
            match line.split(" ")[0].upper():
                case "QUIT":
                    self._say("221 bye")
                    return
                case "RCPT":
                    self._say(self.server.refuse or "250 ok")
                case "DATA":
                    self._say("354 go on")
                    self.server.mails.append(self._data())
                    self._say("250 taken")
                case _:
                    self._say("250 ok")

    def _data(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line.removeprefix(".") if line.startswith("..") else line)
        return "\n".join(lines)


@contextmanager
def taking_mail() -> Iterator[Sink]:
    """Serve for the length of the block."""
    sink = Sink()
    thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.shutdown()
        sink.server_close()
        thread.join()
