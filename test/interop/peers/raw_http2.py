"""One Join call over HTTP/2, its frames written by hand, so that a client can send what no library would."""

import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STREAM = 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header that HPACK neither compresses nor remembers."""
    return b"\x10" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


class Call:
    """A client that has joined and does what it likes."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.input = self.socket.makefile("rb")
        self.received = b""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": "/flwr.proto.FlowerService/Join",
            ":authority": address,
            "content-type": "application/grpc",
            "te": "trailers",
        }
        block = b"".join(literal(name, value) for name, value in headers.items())
        hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
        self.write(hello + frame(HEADERS, END_HEADERS, STREAM, block))

    def write(self, content):
        self.socket.sendall(content)

    def data(self, content):
        """Sends bytes of the call as they are."""
        for begin in range(0, len(content), 16384):
            self.write(frame(DATA, 0, STREAM, content[begin : begin + 16384]))

    def message(self, content):
        self.data(b"\0" + struct.pack(">I", len(content)) + content)

    def next_message(self):
        """The next message of the server, or None when the call or the connection is over."""
        while True:
            if len(self.received) >= 5:
                (length,) = struct.unpack_from(">I", self.received, 1)
                if len(self.received) >= 5 + length:
                    message = self.received[5 : 5 + length]
                    self.received = self.received[5 + length :]
                    return message
            if not self.take_frame():
                return None

    def take_frame(self):
        try:
            head = self.input.read(9)
            payload = self.input.read(int.from_bytes(head[:3], "big"))
        except OSError:
            return False
        if len(head) < 9:
            return False
        kind, flags = head[3], head[4]
        if kind == DATA:
            self.received += payload
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        ended = kind in (RST_STREAM, GOAWAY) or (kind in (DATA, HEADERS) and flags & END_STREAM)
        return not ended

    def close(self):
        # The file that was made of it holds the socket open too.
        self.input.close()
        self.socket.close()
