// A client's message as it arrives: small fields into memory, elements of tensors straight into the sink.
import type { StoredResult } from "@perennial-fl/core";
import type { OpenUpdate, Said } from "../seat.js";
import {
  AnswerReader,
  checkNoChunk,
  holdsParameters,
  isSmallField,
  memberOf,
  moreThanOneAnswer,
  nameOfMember,
  noAnswer,
  readDisconnect,
} from "../wire/client-message.js";
import type { AnnouncedFit, Answer } from "../wire/client-message.js";
import { checkTensorType } from "../wire/parameters.js";
import { receiveParameters } from "./arriving-parameters.js";
import type { MessageStream, Scope } from "./message-stream.js";
import { UpdateWriter } from "./update-writer.js";
import type { Place } from "./uploads.js";

/** What a message turns out to be, or an answer whose update comes in messages after it. */
export type Heard = Said | AnnouncedFit;

/** Receives the message that a stream holds, through the buffers of a place. */
export async function receiveMessage(
  message: MessageStream,
  { stages }: Place,
  openUpdate: OpenUpdate,
): Promise<Heard> {
  const update = new ArrivingUpdate(openUpdate, stages);
  try {
    return await receive(message, update);
  } finally {
    await update.settled();
  }
}

async function receive(message: MessageStream, update: ArrivingUpdate): Promise<Heard> {
  const { root } = message;
  let said: (() => Promise<Heard>) | undefined;
  for (;;) {
    const tag = await message.next(root);
    // The sink is closed only now, so that nothing comes to rest out of a message that turns out to be none.
    if (tag === undefined) break;
    const member = memberOf(tag.number);
    if (member === undefined) {
      checkNoChunk(tag.number);
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
): Promise<() => Promise<Heard>> {
  const reader = new AnswerReader(type);
  for (let tag = await message.next(scope); tag !== undefined; tag = await message.next(scope)) {
    if (holdsParameters(type, tag.number) && !reader.refused) {
      await update.receive(type, message, await message.open(tag, scope, `${scope.name}.parameters`));
    } else if (isSmallField(type, tag.number)) reader.read(await message.value(tag, scope));
    else await message.skip(tag, scope);
  }
  const announced = reader.announcedFit(update.begun);
  if (announced !== undefined) return () => Promise.resolve(announced);
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

  get begun(): boolean {
    return this.#writer !== undefined;
  }

  /** Reads a `parameters` field to its end. Protobuf merges what comes in several parts. */
  async receive(type: "fit" | "parameters", message: MessageStream, scope: Scope): Promise<void> {
    this.#tensorType = (await receiveParameters(message, scope, this.#open(type))) ?? this.#tensorType;
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
