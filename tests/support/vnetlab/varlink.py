# SPDX-License-Identifier: GPL-2.0-or-later
"""varlink.py - a client of netd in the standard library alone"""

import array
import json
import os
import socket
import time

from .patience import patience

INTERFACE = "io.vnet.Netd"
MESSAGE_MAX = 64 * 1024 * 1024
FDS_MAX = 253  # SCM_MAX_FD


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__("%s: %s" % (name, json.dumps(parameters)))
        self.name = name.rsplit(".", 1)[-1]
        self.full_name = name
        self.parameters = parameters or {}
        self.problem = self.parameters.get("problem") or {}
        self.code = self.problem.get("code")
        self.message = self.problem.get("message", "")


class Reply(dict):
    """The parameters; .fds are the descriptors that came with them, the caller's to close."""

    def __init__(self, parameters, fds, continues=False):
        super().__init__(parameters)
        self.fds = fds
        self.continues = continues


class Client:
    """One connection.  client.AttachPort(network="blue") calls and returns a Reply."""

    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(patience(timeout))
        try:
            self.sock.connect(str(path))
        except OSError:
            self.sock.close()
            raise
        self._buffer = b""
        self._fds = []  # (offset in the stream at which they came, fds)
        self._received = 0

    def close(self):
        for _offset, fds in self._fds:
            for fd in fds:
                os.close(fd)
        self._fds = []
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def __getattr__(self, method):
        if not method[:1].isupper():
            raise AttributeError(method)
        return lambda **parameters: self.call(method, parameters)

    def call(self, method, parameters=None, more=False):
        self.send(method, parameters, more)
        return self.receive()

    def send(self, method, parameters=None, more=False):
        name = method if "." in method else "%s.%s" % (INTERFACE, method)
        message = {"method": name, "parameters": parameters or {}}
        if more:
            message["more"] = True
        self.send_raw(json.dumps(message).encode() + b"\0")

    def send_raw(self, data, fds=()):
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            sent = self.sock.sendmsg([data], ancillary)
            data = data[sent:]
        if data:
            self.sock.sendall(data)

    def receive(self, timeout=None):
        """The next reply; raises VarlinkError for an error, EOFError when netd hung up."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\0" not in self._buffer:
            if len(self._buffer) > MESSAGE_MAX:
                raise AssertionError("a reply longer than %d bytes" % MESSAGE_MAX)
            old = self.sock.gettimeout()
            if deadline is not None:
                self.sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                self._fill()
            finally:
                self.sock.settimeout(old)
        text, self._buffer = self._buffer.split(b"\0", 1)
        end = self._received - len(self._buffer)
        fds = [fd for offset, some in self._fds if offset < end for fd in some]
        self._fds = [item for item in self._fds if item[0] >= end]
        message = json.loads(text)
        if "error" in message:
            for fd in fds:
                os.close(fd)
            raise VarlinkError(message["error"], message.get("parameters"))
        return Reply(message.get("parameters") or {}, fds, message.get("continues", False))

    def _fill(self):
        size = array.array("i").itemsize
        data, ancillary, flags, _address = self.sock.recvmsg(
            65536, socket.CMSG_SPACE(FDS_MAX * size), socket.MSG_CMSG_CLOEXEC)
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[:len(payload) - len(payload) % size])
                # Ancillary data belongs to the first byte it came with.
                self._fds.append((self._received, list(fds)))
        if flags & socket.MSG_CTRUNC:
            raise AssertionError("descriptors were cut off")
        if not data:
            raise EOFError("netd closed the connection")
        self._received += len(data)
        self._buffer += data
