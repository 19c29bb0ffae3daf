"""Google storage in this process: the part of its JSON interface that Arrow speaks, with the objects in memory.

Written from cloud.google.com/storage/docs/json_api/v1: `objects.get`, `list`, `delete`, and resumable `insert`.
"""

import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OBJECTS = "/storage/v1/b/registry/o"
MOMENT = "2026-01-01T00:00:00.000Z"


class Handler(BaseHTTPRequestHandler):
    """One request; the server holds ``objects`` and unfinished ``uploads``, both by name."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """An object's description, its content, or the list of those with a prefix."""
        name, asked = self._asked()
        objects = self.server.objects
        if name is None:
            chosen = sorted(one for one in objects if one.startswith(asked.get("prefix", "")))
            self._answer(200, {"kind": "storage#objects", "items": [self._described(one) for one in chosen]})
        elif name not in objects:
            self._answer(404, {"error": {"code": 404, "message": "No such object"}})
        elif asked.get("alt") == "media":
            self._answer(200, objects[name])
        else:
            self._answer(200, self._described(name))

    def do_POST(self) -> None:
        """The beginning of an upload; its address is the name."""
        name = self._asked()[1]["name"]
        self.server.uploads[name] = b""
        self._answer(200, {}, Location=f"http://{self.headers['Host']}{self.path}")

    def do_PUT(self) -> None:
        """A piece of an upload; the last one says how long the whole is."""
        name, uploads = self._asked()[1]["name"], self.server.uploads
        uploads[name] += self.rfile.read(int(self.headers["Content-Length"]))
        total = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+|\*)", self.headers["Content-Range"])[1]
        if total == "*":
            self._answer(308, b"", Range=f"bytes=0-{len(uploads[name]) - 1}")
        else:
            self.server.objects[name] = uploads.pop(name)
            self._answer(200, self._described(name))

    def do_DELETE(self) -> None:
        """An object goes."""
        found = self.server.objects.pop(self._asked()[0], None)
        self._answer(204 if found is not None else 404, b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _asked(self) -> tuple[str | None, dict[str, str]]:
        """The name of the object, None where it is not in the path; and what stands behind the question mark."""
        path, _, query = self.path.partition("?")
        name = urllib.parse.unquote(path.removeprefix(OBJECTS + "/")) if path.startswith(OBJECTS + "/") else None
        return name, dict(urllib.parse.parse_qsl(query))

    def _described(self, name: str) -> dict[str, str]:
        size = str(len(self.server.objects[name]))
        same = {"bucket": "registry", "generation": "1", "metageneration": "1", "timeCreated": MOMENT}
        return {"kind": "storage#object", "name": name, "size": size, "updated": MOMENT, **same}

    def _answer(self, code: int, content: object, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve() -> ThreadingHTTPServer:
    """A server on a free port of this machine, running."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.objects, server.uploads = {}, {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
