"""A page in Chromium."""

import http.server
import json
import pathlib
import queue
import tempfile
import threading

from processes import Process

_TYPES = {".mjs": "text/javascript", ".js": "text/javascript"}


class Page:
    """Serves a script from 127.0.0.1, and has Chromium run it as a page.

    `imports` maps what the script imports by name to folders or files below `root`. What the page
    posts to /said is in `said`, a queue. `files` are served besides, bytes by path.
    """

    def __init__(self, root, script, imports, files=None):
        self._root = pathlib.Path(root)
        imports = json.dumps({"imports": {name: f"/{path}" for name, path in imports.items()}})
        self._files = {
            "/": f"""<!doctype html><title>page</title>
                <script type="importmap">{imports}</script>
                <script type="module" src="/{script}"></script>""".encode(),
            **(files or {}),
        }
        self.said = queue.Queue()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._browser = None

    def open(self, fragment=""):
        """Opens the page; `fragment` is what its address has behind "#"."""
        self._browser = Process(
            [
                "chromium",
                "--headless=new",
                "--no-sandbox",  # Chromium's cannot be had as root.
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--no-proxy-server",
                "--disable-background-networking",
                "--disable-component-update",
                "--ignore-certificate-errors",  # The test's own certificates.
                f"--user-data-dir={self._profile.name}",
                "--remote-debugging-port=0",  # Without it, or a task, it would end at once.
                f"{self.origin}/#{fragment}",
            ],
            env={"HOME": self._profile.name},
        )

    @property
    def output(self):
        """What Chromium printed."""
        return self._browser.output if self._browser else ""

    def close(self):
        if self._browser:
            self._browser.stop()
        self._server.shutdown()
        self._server.server_close()
        self._profile.cleanup()

    def _handler(page):  # noqa: N805  # `self` is the handler below.
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                file = (page._root / path[1:]).resolve()
                if path in page._files:
                    self._answer(page._files[path], "text/html")
                elif file.is_relative_to(page._root.resolve()) and file.is_file():
                    kind = _TYPES.get(file.suffix, "application/octet-stream")
                    self._answer(file.read_bytes(), kind)
                else:
                    self.send_error(404)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                page.said.put(body.decode())
                self._answer(b"", "text/plain")

            def _answer(self, body, kind):
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
