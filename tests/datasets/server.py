"""A web server on the loopback that misbehaves as asked, at counted bytes."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """What is served, and how.

    Attributes:
        files: Content by path, such as "/a.zip".
        ranges: Whether the server knows them.
        cuts: For each answer in turn, after how many bytes the connection breaks; those after the last are whole.
        tag: ETag of everything.
        seen: Range asked for in each request, or "".
    """

    def __init__(self):
        self.files, self.ranges, self.cuts, self.tag, self.seen, self.status = {}, True, [], '"1"', [], 200
        self.url = ""


@contextmanager
def serving():
    """A site that is served while the block runs."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range", "")
            site.seen.append(wanted)
            body = site.files.get(self.path)
            if body is None or site.status != 200:
                self.send_error(404 if body is None else site.status)
                return
            start = 0
            same = self.headers.get("If-Range", site.tag) == site.tag
            if site.ranges and wanted and same:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("ETag", site.tag)
            self.end_headers()
            cut = site.cuts.pop(0) if site.cuts else None
            self.wfile.write(body[start:] if cut is None else body[start : start + cut])
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
