// flwr.proto.Parameters as they arrive: tensor after tensor, whoever takes their elements.
import type { TensorSpan } from "@perennial-fl/core";
import { npyElementsOffset, npyPrologueBytes, spanOfNpy } from "../wire/npy.js";
import { mostTensors } from "../wire/parameters.js";
import { malformed, textIn } from "../wire/protobuf-reader.js";
import type { MessageStream, Scope } from "./message-stream.js";

/** Takes tensors, one after the other. */
export interface TensorTaker {
  /** How many it has taken. */
  readonly tensors: number;
  /** Takes a tensor's elements out of the message; `span` says where they lay in its .npy file. */
  take(span: TensorSpan, name: string, message: MessageStream): Promise<void>;
}

/** Reads parameters to their end. Gives their tensor_type, where they say one: protobuf merges what comes in parts. */
export async function receiveParameters(
  message: MessageStream,
  scope: Scope,
  taker: TensorTaker,
): Promise<string | undefined> {
  let tensorType: string | undefined;
  for (let tag = await message.next(scope); tag !== undefined; tag = await message.next(scope)) {
    if (tag.number === 1) {
      if (taker.tensors >= mostTensors) throw malformed(scope.name, `has more than ${mostTensors} tensors`);
      const name = `${scope.name}.tensors[${taker.tensors}]`;
      await receiveTensor(message, await message.open(tag, scope, name), taker);
    } else if (tag.number === 2) {
      tensorType = textIn(await message.value(tag, scope), `${scope.name}.tensor_type`);
    } else await message.skip(tag, scope);
  }
  return tensorType;
}

async function receiveTensor(message: MessageStream, scope: Scope, taker: TensorTaker): Promise<void> {
  const fileBytes = message.left(scope);
  const prologue = await message.take(scope, Math.min(npyPrologueBytes, fileBytes));
  const offset = npyElementsOffset(prologue, fileBytes, scope.name);
  // The shortest header of version 1 ends before the prologue does only where there is no dictionary in it.
  const rest = await message.take(scope, Math.max(offset - npyPrologueBytes, 0));
  const span = spanOfNpy(Buffer.concat([prologue, rest]), fileBytes, scope.name);
  await taker.take(span, scope.name, message);
}
