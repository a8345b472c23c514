// The gRPC method that both sides speak: FlowerService/Join, with messages as the bytes they are.
import { Metadata } from "@grpc/grpc-js";
import type { ChannelOptions, MethodDefinition } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import transportDescriptor from "../generated/transport-descriptor.js";

type BytesMethod = MethodDefinition<Buffer, Buffer>;

const asBytes = (bytes: Buffer): Buffer => bytes;

/** `Join` of the .proto file; our own codec reads and writes the messages, so that parameters are never copied. */
export const joinMethod: BytesMethod = (() => {
  const service = fromJSON(transportDescriptor as Parameters<typeof fromJSON>[0])["flwr.proto.FlowerService"];
  const method = (service as Record<string, BytesMethod | undefined> | undefined)?.["Join"];
  if (method === undefined) throw new Error("assertion failed: the descriptor has FlowerService/Join");
  const { path, requestStream, responseStream } = method;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: asBytes,
    requestDeserialize: asBytes,
    responseSerialize: asBytes,
    responseDeserialize: asBytes,
  };
})();

export function metadataOf(entries: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

/** The one value of a name, if it is there. */
export function valueIn(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === "string" ? value : undefined;
}

/** Both sides refuse a longer message at its first bytes; sending is limited by our own check, which can name it. */
export function sizeOptions(maxMessageBytes: number): ChannelOptions {
  return { "grpc.max_receive_message_length": maxMessageBytes, "grpc.max_send_message_length": -1 };
}
