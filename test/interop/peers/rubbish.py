"""Clients that join and send rubbish, one for each row below, and visitors that are no clients. Needs Python alone.

    rubbish.py HOST:PORT answers|frames

Every client answers its first instruction as its row says and stays until it is told to leave, or thrown out. Prints
at the end how many there were. Those of EVALUATIONS train well and answer their evaluation with rubbish.
"""

import json
import random
import socket
import struct
import sys
import threading

from raw_http2 import DATA, END_STREAM, STREAM, Call, frame

PROPERTIES_RES, PARAMETERS_RES, FIT_RES, EVALUATE_RES, DISCONNECT_RES = 2, 3, 4, 5, 1
FIT_INS, EVALUATE_INS, RECONNECT_INS = 4, 5, 1


def varint(value):
    value %= 1 << 64
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes(encoded) + bytes((value,))


def field(number, content):
    """A field of a protobuf message: a number as a varint, and bytes with their length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def npy(descr, shape, elements):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + elements


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


STATUS = field(1, field(2, b"Success"))
MATRIX, VECTOR = npy("<f4", (2, 2), floats(1, 1, 1, 1)), npy("<f4", (3,), floats(1, 1, 1))


def fitted(*tensors, examples=10, status=STATUS, kind=b"numpy.ndarray"):
    parameters = b"".join(field(1, tensor) for tensor in tensors) + field(2, kind)
    return field(FIT_RES, status + field(2, parameters) + field(3, examples))


def evaluated(loss, examples=10):
    return field(EVALUATE_RES, STATUS + b"\x15" + struct.pack("<f", loss) + field(3, examples))


NOISE = random.Random(1).randbytes(4000)
WELL = fitted(MATRIX, VECTOR)

# Messages, each the whole answer to a fit instruction.
MESSAGES = {
    "an evaluation for a fit": evaluated(0.5),
    "properties for a fit": field(PROPERTIES_RES, STATUS),
    "a goodbye for a fit": field(DISCONNECT_RES, field(1, 2)),
    "nothing": b"",
    "random bytes": NOISE,
    "an unknown answer": field(9, NOISE),
    "a refusal": fitted(status=field(1, field(1, 3) + field(2, b"I do not fit"))),
    "noise as tensors": fitted(NOISE[:200], NOISE[200:400]),
    "a pickle": fitted(MATRIX, npy("|O", (3,), NOISE[:24])),
    "another encoding": fitted(MATRIX, VECTOR, kind=b"torch.pickle"),
    "a field beyond the message": field(FIT_RES, STATUS + varint(2 << 3 | 2) + varint(2**40)),
    "a shape beyond memory": fitted(MATRIX, npy("<f4", (2**40,), floats(1, 1, 1))),
    "a truncated array": fitted(MATRIX, VECTOR[:-5]),
    "a truncated header": fitted(MATRIX, VECTOR[:40]),
    "a tensor too few": fitted(MATRIX),
    "a tensor too many": fitted(MATRIX, VECTOR, VECTOR),
    "another shape": fitted(MATRIX, npy("<f4", (1, 3), floats(1, 1, 1))),
    "another type": fitted(MATRIX, npy("<f8", (3,), struct.pack("<3d", 1, 1, 1))),
    "a NaN": fitted(MATRIX, npy("<f4", (3,), floats(1, float("nan"), 1))),
    "an infinity": fitted(npy("<f4", (2, 2), floats(1, 1, 1, float("-inf"))), VECTOR),
    "negative examples": fitted(MATRIX, VECTOR, examples=-10),
    "no examples": fitted(MATRIX, VECTOR, examples=0),
}


def hang_up(call):
    call.data(b"\0" + struct.pack(">I", len(WELL)) + WELL[:90])
    call.close()


# What a client does with its call.
ACTIONS = {
    **{name: (lambda call, content=content: call.message(content)) for name, content in MESSAGES.items()},
    "a message of 4 GiB, it says": lambda call: call.data(b"\0" + struct.pack(">I", 2**32 - 1) + WELL),
    "half a message and the end": lambda call: call.write(frame(DATA, END_STREAM, STREAM, b"\0\0\0\1\0" + WELL[:90])),
    "half a message and no more": hang_up,
}
FRAMES = {
    "frames that are noise": lambda call: call.write(NOISE),
    "a frame of 16 MiB, it says": lambda call: call.write(b"\xff\xff\xff\0\0\0\0\0\1" + NOISE),
}
EVALUATIONS = {
    "a loss that is NaN": evaluated(float("nan")),
    "an update for an evaluation": WELL,
}

VISITORS = {
    "a browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a TLS client": bytes.fromhex("16030100c8010000c40303") + NOISE[:200],
    "noise": NOISE,
    "a preface and noise": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + NOISE,
    "nobody": b"",
}


def asked(message):
    return message[0] >> 3


def live(address, act):
    """Joins, acts on the first instruction, reads on until the end, and answers an evaluation decently."""
    call = Call(address)
    try:
        first = True
        while (message := call.next_message()) is not None and asked(message) != RECONNECT_INS:
            if asked(message) == FIT_INS and first:
                act(call)
                first = False
            elif asked(message) == EVALUATE_INS:
                call.message(evaluated(0.5))
    except (OSError, ValueError):
        pass  # It closed the call itself, or the server did.
    finally:
        call.close()


def live_until_evaluation(address, content):
    call = Call(address)
    while (message := call.next_message()) is not None and asked(message) != RECONNECT_INS:
        call.message(WELL if asked(message) == FIT_INS else content)
    call.close()


def visit(address, content):
    host, port = address.rsplit(":", 1)
    visitor = socket.create_connection((host, int(port)))
    visitor.sendall(content)
    return visitor


def main():
    address = sys.argv[1]
    # They stay for as long as the others do.
    visitors = [visit(address, content) for content in VISITORS.values()]
    if sys.argv[2] == "frames":
        lives = [(live, act) for act in FRAMES.values()]
    else:
        lives = [(live, act) for act in ACTIONS.values()]
        lives += [(live_until_evaluation, content) for content in EVALUATIONS.values()]
    threads = [threading.Thread(target=life, args=(address, what)) for life, what in lives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for visitor in visitors:
        visitor.close()
    print(json.dumps({"visitors": len(visitors), "clients": len(threads)}), flush=True)


main()
