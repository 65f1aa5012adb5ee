#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rest_bridge.py: the REST form of Redis in front of a real server, for tests.

usage: rest_bridge.py SOCKET TOKEN [CERT KEY]

Listens on a free port of 127.0.0.1, over TLS when CERT and KEY are given, and prints the port.
Speaks HTTP/1.1 and keeps connections. A command is
  POST /            a JSON array: the command and its arguments
  POST /pipeline    an array of such; answered by an array of {"result"} or {"error"}
  POST /multi-exec  the same, as one transaction
  any  /CMD/a/b     arguments percent-encoded in the path; the body, when there is one, is the next
                    argument, and the query's names and values follow it
with "Authorization: Bearer TOKEN". With "Upstash-Encoding: base64" strings are answered in base64,
but for the word OK. Ends with its parent, when its standard input ends.
"""
import base64
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import urllib.parse


class Failure(Exception):
    """An error that the server answered."""


class Status(str):
    """A simple string, which is no value."""


class Server:
    """One connection to the server, in RESP2."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, commands):
        frames = []
        for args in commands:
            frames.append(b"*%d\r\n" % len(args))
            frames.extend(b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args)
        self.socket.sendall(b"".join(frames))

    def receive(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server has gone")
        mark, text = line[:1], line[1:-2]
        if mark == b"+":
            return Status(text.decode("utf-8", "replace"))
        if mark == b"-":
            return Failure(text.decode("utf-8", "replace"))
        if mark == b":":
            return int(text)
        if mark == b"$":
            length = int(text)
            return None if length < 0 else self.file.read(length + 2)[:-2]
        if mark == b"*":
            count = int(text)
            return None if count < 0 else [self.receive() for _ in range(count)]
        raise ConnectionError("no RESP2")

    def ask(self, commands):
        self.send(commands)
        return [self.receive() for _ in commands]


def bytes_of(arg):
    if isinstance(arg, bool) or not isinstance(arg, (str, int, float)):
        raise ValueError("an argument is a string or a number")
    return str(arg).encode("utf-8")


def json_of(value, is_base64):
    if isinstance(value, Status):
        text = str(value)
        return base64.b64encode(text.encode()).decode() if is_base64 and text != "OK" else text
    if isinstance(value, bytes):
        if is_base64:
            return base64.b64encode(value).decode()
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [json_of(part, is_base64) for part in value]
    return value


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        self.behind = Server(self.server.behind)

    def log_message(self, *_):
        pass

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def outcome(self, value):
        if isinstance(value, Failure):
            return {"error": str(value)}
        return {"result": json_of(value, self.is_base64)}

    def commands(self, path, body):
        """How the request is to be answered, and its commands."""
        if path in ("/pipeline", "/multi-exec"):
            rows = json.loads(body)
            if not isinstance(rows, list) or not rows:
                raise ValueError("an array of commands is wanted")
            return path[1:], [[bytes_of(arg) for arg in row] for row in rows]
        if path in ("", "/"):
            row = json.loads(body)
            if not isinstance(row, list) or not row:
                raise ValueError("an array of arguments is wanted")
            return "single", [[bytes_of(arg) for arg in row]]
        path, _, query = path.partition("?")
        args = [urllib.parse.unquote_to_bytes(part) for part in path[1:].split("/")]
        if body:
            args.append(body)
        for pair in query.split("&") if query else []:
            name, equals, value = pair.partition("=")
            args.append(urllib.parse.unquote_to_bytes(name))
            if equals:
                args.append(urllib.parse.unquote_to_bytes(value))
        return "single", [args]

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.headers.get("Authorization") != "Bearer " + self.server.token:
            self.answer(401, {"error": "WRONGPASS invalid or missing auth token"})
            return
        self.is_base64 = self.headers.get("Upstash-Encoding") == "base64"
        path = self.path
        if path.startswith(self.server.base):
            path = path[len(self.server.base):]
        try:
            kind, commands = self.commands(path, body)
        except ValueError as failure:
            self.answer(400, {"error": "ERR " + str(failure)})
            return
        if kind == "multi-exec":
            replies = self.behind.ask([[b"MULTI"]] + commands + [[b"EXEC"]])
            result = replies[-1]
            if isinstance(result, Failure):
                self.answer(400, {"error": str(result)})
            else:
                self.answer(200, [self.outcome(value) for value in result])
        elif kind == "pipeline":
            self.answer(200, [self.outcome(value) for value in self.behind.ask(commands)])
        else:
            document = self.outcome(self.behind.ask(commands)[0])
            self.answer(400 if "error" in document else 200, document)

    do_GET = do_POST


class Bridge(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request, client_address):
        if self.context is not None:  # on the connection's own thread
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # a client that does not believe us, or has gone, is what tests are about


def main():
    behind, token = sys.argv[1:3]
    bridge = Bridge(("127.0.0.1", 0), Handler)
    bridge.behind = behind
    bridge.token = token
    bridge.base = "/base"
    bridge.context = None
    if len(sys.argv) > 4:
        bridge.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        bridge.context.load_cert_chain(sys.argv[3], sys.argv[4])
    print(bridge.server_address[1], flush=True)
    threading.Thread(target=bridge.serve_forever, daemon=True).start()
    while os.read(0, 4096):
        pass
    os._exit(0)


main()
