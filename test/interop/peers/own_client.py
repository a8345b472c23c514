"""Our own Python client, which needs grpcio and protobuf and no flwr. Behaves like a stock one: behaviour.py.

    --arrays numpy|plain    how tensors are read and written; plain needs no numpy
"""

import queue
import time

import grpc
from behaviour import Behaviour, options, say
from wire import ClientMessage, ServerMessage, config_of, put_scalars

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def codec(name):
    """The maker of tensors, and how they become .npy files and come from them."""
    if name == "plain":
        import plain_arrays

        return plain_arrays, plain_arrays.to_npy, plain_arrays.from_npy
    import numpy
    from numpy_files import from_npy, to_npy

    return numpy, to_npy, from_npy


class Peer:
    def __init__(self, behaviour, to_npy, from_npy):
        self.behaviour, self.to_npy, self.from_npy = behaviour, to_npy, from_npy

    def answer(self, message):
        """The one answer to an instruction, whatever it asks but to leave."""
        reply = ClientMessage()
        kind = message.WhichOneof("msg")
        if kind == "get_properties_ins":
            status = reply.get_properties_res.status
            status.code, status.message = 1, "this client has no properties"
            return reply
        if kind == "get_parameters_ins":
            result = reply.get_parameters_res
            self.put(self.behaviour.get_parameters(config_of(message.get_parameters_ins)), result)
        elif kind == "fit_ins":
            result, asked = reply.fit_res, message.fit_ins
            arrays, result.num_examples, metrics = self.behaviour.fit(self.read(asked), config_of(asked))
            self.put(arrays, result)
            put_scalars(metrics, result.metrics)
        elif kind == "evaluate_ins":
            result, asked = reply.evaluate_res, message.evaluate_ins
            result.loss, result.num_examples, metrics = self.behaviour.evaluate(self.read(asked), config_of(asked))
            put_scalars(metrics, result.metrics)
        else:
            raise ValueError(f"the server asks for {kind}")
        result.status.message = "Success"
        return reply

    def read(self, asked):
        if asked.parameters.tensor_type != "numpy.ndarray":
            raise ValueError(f"the parameters are of the type {asked.parameters.tensor_type!r}")
        return [self.from_npy(tensor) for tensor in asked.parameters.tensors]

    def put(self, arrays, result):
        result.parameters.tensor_type = "numpy.ndarray"
        result.parameters.tensors.extend(self.to_npy(array) for array in arrays)

    def stay(self, channel):
        """Answers until it is told to leave; for how many seconds."""
        replies = queue.SimpleQueue()
        join = channel.stream_stream(
            "/flwr.proto.FlowerService/Join", ClientMessage.SerializeToString, ServerMessage.FromString
        )
        try:
            for message in join(iter(replies.get, None)):
                if message.WhichOneof("msg") == "reconnect_ins":
                    replies.put(ClientMessage(disconnect_res={"reason": 1}))
                    return message.reconnect_ins.seconds
                replies.put(self.answer(message))
        finally:
            replies.put(None)
        raise ConnectionError("the server ended the stream without a word")


def main():
    parser = options()
    parser.add_argument("--arrays", default="numpy", choices=("numpy", "plain"))
    arguments = parser.parse_args()
    arrays, to_npy, from_npy = codec(arguments.arrays)
    peer = Peer(Behaviour(arguments, arrays), to_npy, from_npy)
    seconds = -1
    while seconds != 0:
        time.sleep(max(seconds, 0))
        if arguments.ca:
            trusted = grpc.ssl_channel_credentials(open(arguments.ca, "rb").read())
            opened = grpc.secure_channel(arguments.server, trusted, UNLIMITED)
        else:
            opened = grpc.insecure_channel(arguments.server, UNLIMITED)
        with opened as channel:
            seconds = peer.stay(channel)
    say(done=True)


main()
