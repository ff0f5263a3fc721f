"""HTTP/1.1, HTTP/2 and WebSocket by hand, as an attacker needs them: no client library lets a caller
hang up half way, never read, or leave out what the protocol demands."""

import asyncio
import base64
import json
import os
import socket
import struct
import time
from dataclasses import dataclass


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict
    body: bytes
    seconds: float

    def json(self):
        return json.loads(self.body)

    def codes(self):
        """The codes of the errors in a GraphQL answer, single or in a batch."""
        try:
            results = self.json()
        except ValueError:
            return []
        results = results if isinstance(results, list) else [results]
        errors = [error for result in results if isinstance(result, dict) for error in result.get("errors") or []]
        return [error.get("extensions", {}).get("code") for error in errors]


def request(method, path, body=None, headers=None, host="127.0.0.1"):
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    if body is not None:
        lines += [f"content-length: {len(body)}"]
        if not headers or "content-type" not in headers:
            lines += ["content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Connection:
    """An HTTP/1.1 connection whose answers are read."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, source=None):
        local = (source, 0) if source else None
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=local))

    async def ask(self, method, path, body=None, headers=None):
        began = time.monotonic()
        self.writer.write(request(method, path, body, headers))
        await self.writer.drain()
        return await self.answer(began)

    async def answer(self, began=None):
        began = began or time.monotonic()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if status in (100, 101, 204, 304):
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = await self.chunks()
        elif "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        else:
            body = await self.reader.read()
        return Answer(status, headers, body, time.monotonic() - began)

    async def chunks(self):
        parts = []
        while True:
            size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
            parts.append((await self.reader.readexactly(size + 2))[:-2])
            if size == 0:
                return b"".join(parts)

    def hang_up(self):
        """Ends the connection at once, with a reset, as a process does that is killed."""
        self.writer.transport.abort()


async def fetch(port, method, path, body=None, headers=None, source=None, within=30):
    async with asyncio.timeout(within):
        connection = await Connection.open(port, source)
        try:
            return await connection.ask(method, path, body, headers)
        finally:
            connection.hang_up()


# ------------------------------------------------------------------------------ sockets not read


async def plain_socket(port, source=None, receive=None):
    """A connected socket that nothing reads; `receive` bounds what the system takes for it."""
    plain = socket.socket()
    plain.setblocking(False)
    if receive:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    if source:
        plain.bind((source, 0))
    try:
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    except BaseException:
        plain.close()
        raise
    return plain


async def send(plain, data, within=None):
    """Sends as much as the server takes. False where it takes no more, or has hung up."""
    try:
        async with asyncio.timeout(within):
            await asyncio.get_running_loop().sock_sendall(plain, data)
    except (OSError, TimeoutError):
        return False
    return True


async def closed_within(plain, seconds):
    """The seconds until the server ends the connection, read to its end; None where it does not."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            while await asyncio.get_running_loop().sock_recv(plain, 65536):
                pass
    except TimeoutError:
        return None
    except OSError:
        pass
    return time.monotonic() - began


# ------------------------------------------------------------------------------ WebSocket


def upgrade(protocol="graphql-transport-ws"):
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
    }
    if protocol:
        headers["sec-websocket-protocol"] = protocol
    return request("GET", "/graphql", headers=headers)


def text_frame(message):
    """A message of a client (RFC 6455, section 5.2). The mask is zero: it hides nothing here."""
    data = json.dumps(message).encode()
    if len(data) < 126:
        length = bytes([0x80 | len(data)])
    elif len(data) < 65536:
        length = b"\xfe" + struct.pack("!H", len(data))
    else:
        length = b"\xff" + struct.pack("!Q", len(data))
    return b"\x81" + length + bytes(4) + data


# ------------------------------------------------------------------------------ HTTP/2


def http2_preface(window):
    """The start of a connection whose streams begin with this window (RFC 9113, section 6.5.2)."""
    settings = struct.pack("!HI", 4, window)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(4, 0, 0, settings)


def http2_frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def http2_post(stream, body):
    """A request to the GraphQL endpoint, with literal headers only (RFC 7541, section 6.2.2)."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/graphql"),
        (":authority", "127.0.0.1"),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
    ]
    block = b"".join(b"\x00" + literal(name) + literal(value) for name, value in headers)
    return http2_frame(1, 4, stream, block) + http2_frame(0, 1, stream, body)


def literal(text):
    """A string of less than 127 bytes, without Huffman's code (RFC 7541, section 5.2)."""
    return bytes([len(text)]) + text.encode()
