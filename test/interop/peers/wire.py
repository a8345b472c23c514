"""The messages of the protocol, made at run time from the descriptor of our own .proto, and its scalars.

`tools/proto.mjs` writes the descriptor beside this file.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def message_classes(*names):
    text = Path(__file__).with_name("transport-descriptor.json").read_text()
    # A pool of its own: where flwr is loaded too, the default one has other messages under these names.
    pool = descriptor_pool.DescriptorPool()
    for file in json_format.Parse(text, descriptor_pb2.FileDescriptorSet()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"flwr.proto.{name}")) for name in names]


ClientMessage, ServerMessage = message_classes("ClientMessage", "ServerMessage")


def config_of(asked):
    return {key: getattr(scalar, scalar.WhichOneof("scalar")) for key, scalar in asked.config.items()}


def put_scalars(values, target):
    """As flwr does: bool before int, uint64 only for what sint64 cannot hold; anything else is an error."""
    for key, value in values.items():
        setattr(target[key], member_for(value), value)


def member_for(value):
    if isinstance(value, int) and not isinstance(value, bool):
        return "uint64" if value >= 2**63 else "sint64"
    members = {bool: "bool", float: "double", str: "string", bytes: "bytes"}
    if type(value) not in members:
        raise TypeError(f"{value!r} is no scalar")
    return members[type(value)]
