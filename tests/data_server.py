"""A local HTTP server that serves bytes, and on request sends errors, parts or wrong content."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """`files` maps paths to bytes; `plans` maps paths to what the next answers do, in order: a status or one of these.

    `half` sends half of what was asked for and breaks the connection, `other` does so with zeros; `from 0` sends all
    of the file as if it were the part asked for. `requests` lists path and Range of every request.
    """

    def __init__(self):
        self.files, self.plans, self.requests = {}, {}, []
        self.ranges, self.delay, self.encoding = True, 0.0, None
        self.sent = 0

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"


@contextmanager
def serving():
    """A server on a free port, in a thread."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, asked = self.path.lstrip("/"), self.headers.get("Range")
            state.requests.append((path, asked))
            time.sleep(state.delay)
            plan = state.plans.get(path, [])
            step = plan.pop(0) if plan else None
            if isinstance(step, int):
                self.send_error(step)
                return
            content = state.files.get(path)
            if content is None:
                self.send_error(404)
                return
            if step == "from 0":
                self.send_response(206)
                self.send_header("Content-Range", f"bytes 0-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
            body = content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.encoding:
                self.send_header("Content-Encoding", state.encoding)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if step in ("half", "other"):
                body = (body if step == "half" else bytes(len(body)))[: len(body) // 2]
            state.sent += len(body)
            self.wfile.write(body)
            if step in ("half", "other"):
                self.wfile.flush()
                self.connection.close()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
