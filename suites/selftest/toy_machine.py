"""A machine of the toy stack: an HTTP server in a thread of this process."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WELL = {"serves": 1.0, "clock_offset_s": 0.0, "free memory": 100.0, "bytes_per_s": 1e6}
"""What a closer look measures of a node that is well."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@dataclass
class Machine:
    """One HTTP server on loopback that can be gone, frozen or cut off. Its port stays the same."""

    ready: str = ""
    """What it answers: its duty, ``alone`` where it is cut off from the other zones; empty: 503."""
    frozen: bool = False
    unreachable: bool = False
    """Cut off from clients."""
    lost_one_in: int = 0
    """So that every so manyth request is not answered."""
    asked: int = 0
    delay_s: float = 0.0
    """How much longer its answers take."""
    measures: dict[str, float] = field(default_factory=WELL.copy)
    started: int = 0
    """How often: tells one run of it from the next."""
    port: int = 0
    server: _Server | None = None

    def start(self) -> None:
        """Listen, unless it does."""
        if self.server is not None:
            return
        machine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                machine.asked += 1
                lost = machine.lost_one_in and machine.asked % machine.lost_one_in == 0
                while machine.frozen or machine.unreachable or (lost and machine.lost_one_in):
                    time.sleep(0.01)
                time.sleep(machine.delay_s)
                if machine.server is None:
                    return  # killed meanwhile: the connection closes without a word
                said = {"ready": machine.ready, "instance": f"run {machine.started}", **machine.measures}
                body = json.dumps(said).encode()
                with suppress(ConnectionError):  # an observer that did not wait any longer
                    self.send_response(200 if machine.ready else 503)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        self.started += 1
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Be gone: connections are refused."""
        if self.server is not None:
            server, self.server = self.server, None
            self.frozen = False  # what is dead is not frozen when it comes back
            server.shutdown()
            server.server_close()
