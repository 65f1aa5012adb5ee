# SPDX-License-Identifier: MIT
"""Real servers of the tests' own: child processes on free ports, in private folders, gone with the
test; and a client of a few lines that looks at them behind the library's back."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile

# Below the range that the kernel gives to outgoing connections, and held by a socket of this
# process: between a kill and the restart nobody else is given the port by chance.
PORT_FIRST, PORT_COUNT, PORT_TRIES = 12000, 20000, 20


class Server:
    """A private redis-server or valkey-server; answers when the constructor returns."""

    def __init__(self, kind, *arguments):
        self.kind = kind
        self.arguments = arguments
        self.program = shutil.which(f"{kind}-server")
        assert self.program, f"there is no {kind}-server"
        self.folder = tempfile.mkdtemp(prefix="faciliter-py-")
        self.socket = os.path.join(self.folder, "socket")
        self.process = None
        numbers = random.SystemRandom()
        for _ in range(PORT_TRIES):
            self.port = PORT_FIRST + numbers.randrange(PORT_COUNT)
            if self._hold_port() and self._try_start():
                return
            self._holder.close()
        raise AssertionError(f"{kind}-server would not start; see {self.folder}")

    def _hold_port(self):
        self._holder = socket.socket()
        try:
            self._holder.bind(("127.0.0.1", self.port))
        except OSError:
            self._holder.close()
            return False
        # Not before, so that two cannot hold the same; now the server can bind, too.
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return True

    def _try_start(self):
        # Readiness is read from its log, which is a pipe; afterwards nobody needs the log.
        environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "PYTHONMALLOC")}
        self.process = subprocess.Popen(
            [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket",
             self.socket, "--dir", self.folder, "--save", "", "--appendonly", "no",
             *self.arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment,
        )
        for line in self.process.stdout:
            if "eady to accept connections" in line:
                self.process.stdout.close()  # it ignores SIGPIPE
                return True
        self.process.wait()
        self.process.stdout.close()
        return False

    def pause(self):
        """Connections stay, and nothing answers."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        assert self._try_start(), f"{self.kind}-server would not start again"

    def stop(self):
        if self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self._holder.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *words):
        """One command, behind the library's back. bytes, int, None or a list; errors raise."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(20)
            peer.connect(self.socket)
            parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            peer.sendall(b"*%d\r\n" % len(parts))
            peer.sendall(b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            with peer.makefile("rb") as stream:
                return self._read(stream)

    def _read(self, stream):
        line = stream.readline().rstrip(b"\r\n")
        mark, rest = line[:1], line[1:]
        if mark == b"-":
            raise RuntimeError(rest.decode())
        if mark == b":":
            return int(rest)
        if mark == b"$":
            return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
        if mark == b"*":
            return [self._read(stream) for _ in range(int(rest))]
        return rest


class Bridge:
    """The REST form of Redis over TLS in front of a server: the one of the C tests."""

    PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kit", "rest_bridge.py")

    def __init__(self, server, key, certs):
        environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "PYTHONMALLOC")}
        self.process = subprocess.Popen(
            ["/usr/bin/python3", self.PROGRAM, server.socket, key,
             os.path.join(certs, "server.pem"), os.path.join(certs, "server.key")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()  # its sign to end
        self.process.wait(10)
        self.process.stdout.close()


class RefusingPort:
    """A port that is taken and refuses connections, until close()."""

    def __init__(self):
        self._holder = socket.socket()
        self._holder.bind(("127.0.0.1", 0))
        self.port = self._holder.getsockname()[1]

    def close(self):
        self._holder.close()
