# SPDX-License-Identifier: GPL-2.0-or-later
"""services.py - small servers, and clients that ask them one thing

A server answers with the address it sees the client come from, which is what
NAT tests want to know.  Sockets belong to the namespace they were made in, so
the threads that serve them need not be in it.
"""

import select
import socket
import struct
import threading
import time

from .patience import patience

IP_PKTINFO = 8  # the socket module has it from Python 3.14 on


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class _Server:
    kind = None

    def __init__(self, ns, port, address="::", name="server"):
        self.name = name
        with ns:
            self.sock = socket.socket(_family(address), self.kind)
            if address == "::":
                self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            if self.kind == socket.SOCK_DGRAM:
                # So that a host with several addresses answers from the one it was asked at.
                self.sock.setsockopt(*(
                    (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1) if ":" in address else
                    (socket.IPPROTO_IP, IP_PKTINFO, 1)))
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((address, port))
        self.port = port
        self._wake = socket.socketpair()
        if self.kind == socket.SOCK_STREAM:
            self.sock.listen(64)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            readable, _, _ = select.select([self.sock, self._wake[1]], [], [])
            if self._wake[1] in readable:
                return
            try:
                self._serve()
            except OSError:
                pass

    def _serve(self):
        raise NotImplementedError

    def _text(self, peer):
        address = peer[0]
        if address.startswith("::ffff:"):
            address = address[7:]
        return ("%s %s %d" % (self.name, address, peer[1])).encode()

    def close(self):
        self._wake[0].send(b"x")
        self.thread.join(5)
        for s in (self.sock, *self._wake):
            s.close()


class TcpServer(_Server):
    kind = socket.SOCK_STREAM

    def _serve(self):
        connection, peer = self.sock.accept()
        with connection:
            connection.settimeout(2)
            connection.sendall(self._text(peer))


class HttpServer(TcpServer):
    """One page, whatever is asked for."""

    def _serve(self):
        connection, peer = self.sock.accept()
        with connection:
            connection.settimeout(5)
            request = b""
            while b"\r\n\r\n" not in request:
                chunk = connection.recv(4096)
                if not chunk:
                    return
                request += chunk
            body = self._text(peer) + b"\n"
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
                               b"Content-Length: %d\r\n\r\n" % len(body) + body)


class UdpServer(_Server):
    kind = socket.SOCK_DGRAM

    def _serve(self):
        _data, peer, reply = self.receive()
        reply(self._text(peer))

    def receive(self):
        """(data, peer, a function that answers from the address that was asked)"""
        data, ancillary, _flags, peer = self.sock.recvmsg(2048, 256)

        def reply(text):
            self.sock.sendmsg([text], ancillary, 0, peer)
        return data, peer, reply


class Flow:
    """
    Numbered datagrams from one namespace to a UdpServer of another, until stop(), which tells how
    many had no answer.
    """

    def __init__(self, ns, address, port, interval=0.005):
        with ns:
            self.sock = socket.socket(_family(address), socket.SOCK_DGRAM)
        self.sock.connect((address, port))
        self.sock.settimeout(interval)
        self.interval = interval
        self.sent = 0
        self._answers = 0
        self._ends = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _receive(self, deadline):
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                self.sock.recv(2048)
            except OSError:  # a time-out, or a refusal that counts as no answer
                continue
            self._answers += 1
            if self._ends.is_set() and self._answers == self.sent:
                return

    def _run(self):
        due = time.monotonic()
        while not self._ends.is_set():
            try:
                self.sock.send(struct.pack("!I", self.sent))
            except OSError:
                pass
            self.sent += 1
            due = max(due + self.interval, time.monotonic())
            self._receive(due)
        self._receive(time.monotonic() + patience(2))

    def lost(self):
        """So far; the last ones may be on their way."""
        return self.sent - self._answers

    def stop(self):
        self._ends.set()
        self.thread.join(patience(10))
        self.sock.close()
        return self.lost()


class Answer:
    def __init__(self, data):
        self.name, self.address, port = data.decode().split(" ")
        self.port = int(port)

    def __repr__(self):
        return "%s saw %s port %d" % (self.name, self.address, self.port)


def tcp_ask(ns, address, port, timeout=3, source=None):
    """The server's Answer, or None when nothing answered."""
    with ns, socket.socket(_family(address), socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        try:
            if source:
                s.bind(source)
            s.connect((address, port))
            data = b""
            while chunk := s.recv(2048):
                data += chunk
        except OSError:
            return None
        return Answer(data) if data else None


def udp_ask(ns, address, port, timeout=1, tries=3, source=None):
    with ns, socket.socket(_family(address), socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        if source:
            s.bind(source)
        for _ in range(tries):
            try:
                s.sendto(b"?", (address, port))
                data, peer = s.recvfrom(2048)
            except OSError:
                continue
            answer = Answer(data)
            answer.replied_from = peer[0]
            return answer
    return None


def http_get(ns, address, port=80, path="/", timeout=10):
    """The page's text, or None."""
    with ns, socket.socket(_family(address), socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        try:
            s.connect((address, port))
            s.sendall(b"GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (path.encode(), address.encode()))
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        except OSError:
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    return body.decode() if b" 200 " in head.split(b"\r\n")[0] else None
