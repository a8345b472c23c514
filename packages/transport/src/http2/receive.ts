// A client's message as it arrives: small fields into memory, elements of tensors straight into the sink.
import type { StoredResult } from "@perennial-fl/core";
import type { Arrival, OpenUpdate, Said } from "../seat.js";
import {
  AnswerReader,
  holdsParameters,
  isSmallField,
  memberOf,
  moreThanOneAnswer,
  nameOfMember,
  noAnswer,
  readDisconnect,
} from "../wire/client-message.js";
import type { Answer } from "../wire/client-message.js";
import { npyElementsOffset, npyPrologueBytes, spanOfNpy } from "../wire/npy.js";
import { checkTensorType, mostTensors } from "../wire/parameters.js";
import { malformed, textIn } from "../wire/protobuf-reader.js";
import type { MessageStream, Scope } from "./message-stream.js";
import { UpdateWriter } from "./update-writer.js";
import type { Place } from "./uploads.js";

/** The arrival of the message that a stream holds, through the buffers of a place. */
export function arrivalOf(message: MessageStream, { stages }: Place): Arrival {
  return async (openUpdate) => {
    const update = new ArrivingUpdate(openUpdate, stages);
    try {
      return await receive(message, update);
    } finally {
      await update.settled();
    }
  };
}

async function receive(message: MessageStream, update: ArrivingUpdate): Promise<Said> {
  const { root } = message;
  let said: (() => Promise<Said>) | undefined;
  for (;;) {
    const tag = await message.next(root);
    // The sink is closed only now, so that nothing comes to rest out of a message that turns out to be none.
    if (tag === undefined) break;
    const member = memberOf(tag.number);
    if (member === undefined) {
      await message.skip(tag, root);
      continue;
    }
    if (said !== undefined) throw moreThanOneAnswer();
    const scope = await message.open(tag, root, nameOfMember(member));
    if (member === "disconnect") {
      const disconnect = readDisconnect(await message.take(scope, message.left(scope)));
      said = () => Promise.resolve(disconnect);
    } else said = await receiveAnswer(member, message, scope, update);
  }
  if (said === undefined) throw noAnswer();
  return said();
}

/** Reads an answer to its end; gives what brings its update to rest. */
async function receiveAnswer(
  type: Answer,
  message: MessageStream,
  scope: Scope,
  update: ArrivingUpdate,
): Promise<() => Promise<Said>> {
  const reader = new AnswerReader(type);
  for (let tag = await message.next(scope); tag !== undefined; tag = await message.next(scope)) {
    if (holdsParameters(type, tag.number) && !reader.refused) {
      await update.receive(type, message, await message.open(tag, scope, `${scope.name}.parameters`));
    } else if (isSmallField(type, tag.number)) reader.read(await message.value(tag, scope));
    else await message.skip(tag, scope);
  }
  return async () => {
    const withoutUpdate = reader.reply(undefined);
    if (withoutUpdate.type !== "fit" && withoutUpdate.type !== "parameters") return withoutUpdate;
    return { ...withoutUpdate, update: await update.close(withoutUpdate.type, `${scope.name}.parameters`) };
  };
}

/** The tensors of one message on their way to a sink that is opened when the first of them comes. */
class ArrivingUpdate {
  readonly #openUpdate: OpenUpdate;
  readonly #stages: Place["stages"];
  #writer: UpdateWriter | undefined;
  #tensorType = "";

  constructor(openUpdate: OpenUpdate, stages: Place["stages"]) {
    this.#openUpdate = openUpdate;
    this.#stages = stages;
  }

  /** Reads a `parameters` field to its end. Protobuf merges what comes in several parts. */
  async receive(type: "fit" | "parameters", message: MessageStream, scope: Scope): Promise<void> {
    const writer = this.#open(type);
    for (let tag = await message.next(scope); tag !== undefined; tag = await message.next(scope)) {
      if (tag.number === 1) {
        if (writer.tensors >= mostTensors) throw malformed(scope.name, `has more than ${mostTensors} tensors`);
        const name = `${scope.name}.tensors[${writer.tensors}]`;
        await receiveTensor(message, await message.open(tag, scope, name), writer);
      } else if (tag.number === 2) {
        this.#tensorType = textIn(await message.value(tag, scope), `${scope.name}.tensor_type`);
      } else await message.skip(tag, scope);
    }
  }

  close(type: "fit" | "parameters", name: string): Promise<StoredResult> {
    const writer = this.#open(type);
    checkTensorType(writer.tensors, this.#tensorType, name);
    return writer.close();
  }

  async settled(): Promise<void> {
    await this.#writer?.settled();
  }

  #open(type: "fit" | "parameters"): UpdateWriter {
    return (this.#writer ??= new UpdateWriter(this.#openUpdate(type), this.#stages));
  }
}

async function receiveTensor(message: MessageStream, scope: Scope, writer: UpdateWriter): Promise<void> {
  const fileBytes = message.left(scope);
  const prologue = await message.take(scope, Math.min(npyPrologueBytes, fileBytes));
  const offset = npyElementsOffset(prologue, fileBytes, scope.name);
  // The shortest header of version 1 ends before the prologue does only where there is no dictionary in it.
  const rest = await message.take(scope, Math.max(offset - npyPrologueBytes, 0));
  const span = spanOfNpy(Buffer.concat([prologue, rest]), fileBytes, scope.name);
  await writer.take(span, scope.name, message);
}
