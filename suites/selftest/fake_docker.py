"""A daemon that answers what it is told to, as Docker's would: to see what is said where something is missing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
"""Status and content."""
VERSION = {"ApiVersion": "1.41", "Version": "20.10.24", "KernelVersion": "6.1"}


@contextmanager
def fake_docker(answers: Mapping[str, Answer | Callable[[str, str], Answer]]) -> Iterator[str]:
    """Yield ``tcp://…``. ``answers``: by the end of a request's path, what is answered; 404 for all others.

    Or what answers, told method and path; where that raises ConnectionError, the connection ends without an answer.
    """
    known = {"/version": (200, VERSION), "/_ping": (200, "OK"), **answers}

    class Answering(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            missing = (404, {"message": f"No such {'image' if '/images/' in path else 'thing'}: {path}"})
            found = next((known[end] for end in known if path.endswith(end)), missing)
            try:
                status, content = found if isinstance(found, tuple) else found(self.command, path)
            except ConnectionError:
                self.close_connection = True
                return
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # the names are http.server's

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="fake docker", daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
