# A client of the cheapest kind: echoes the bytes of the parameters, without a protobuf object or an array.
# Usage: raw_client.py HOST:PORT [CLIENTS [ROOT_CERTIFICATE]]. Says {"fits": [seconds...], "end": seconds} of the
# monotonic clock at the end: when each round's instruction came first to one of its clients.
import json
import queue
import sys
import threading
import time

import grpc

from lifeline import end_with_input

RECONNECT, FIT, EVALUATE = 1, 4, 5
NUM_EXAMPLES = b"\x18\x0a"  # field 3: 10
STATUS = b"\x0a\x02\x12\x00"  # field 1: Status with the code OK and an empty message
EVALUATED = b"\x2a\x0b" + STATUS + b"\x15\x00\x00\x00\x3f" + NUM_EXAMPLES  # field 2: a loss of 0.5


def varint(value):
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def length_field(message, at):
    """The number of the length-delimited field at `at`, where its bytes begin, and where they end."""
    numbers = []
    for _ in range(2):
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        numbers.append(value)
    tag, length = numbers
    if tag & 7 != 2:
        raise ValueError(f"a server message holds messages, not wire type {tag & 7}")
    return tag >> 3, at, at + length


def fitted(message, start):
    number, begin, end = length_field(message, start)
    if number != 1:
        raise ValueError(f"a fit instruction begins with its parameters, not with field {number}")
    length = end - begin
    parameters = b"\x12" + varint(length)
    inner = len(STATUS) + len(parameters) + length + len(NUM_EXAMPLES)
    # One copy, the join's: a client cannot be cheaper.
    head = b"\x22" + varint(inner) + STATUS + parameters
    return b"".join((head, memoryview(message)[begin:end], NUM_EXAMPLES))


def echo(channel, fits):
    replies = queue.SimpleQueue()
    with channel:
        join = channel.stream_stream("/flwr.proto.FlowerService/Join", None, None)
        for message in join(iter(replies.get, None), wait_for_ready=True):
            kind, start, _ = length_field(message, 0)
            if kind == RECONNECT:
                break
            if kind == FIT:
                fits.append(time.monotonic())
                replies.put(fitted(message, start))
            elif kind == EVALUATE:
                replies.put(EVALUATED)
            else:
                raise ValueError(f"an instruction of kind {kind} was not expected")


def open_channel(address, root):
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 200),
        # Every client has a connection of its own, as if it were alone on its machine.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if root is None:
        return grpc.insecure_channel(address, options=options)
    with open(root, "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()), options=options)


def main():
    address, *rest = sys.argv[1:]
    count = int(rest[0]) if rest else 1
    root = rest[1] if len(rest) > 1 else None
    end_with_input()
    all_fits = [[] for _ in range(count)]
    threads = [threading.Thread(target=echo, args=(open_channel(address, root), fits)) for fits in all_fits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"fits": [min(times) for times in zip(*all_fits)], "end": time.monotonic()}), flush=True)


main()
