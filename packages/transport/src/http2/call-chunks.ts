// The chunks that follow an announced update on one call, read while they arrive.
import { messageOf } from "@perennial-fl/core";
import type { Chunk } from "../chunks/chunked-parameters.js";
import type { IncomingChunks } from "../chunks/partial-updates.js";
import { Violation } from "../seat.js";
import { chunkFields, encodeHeld, longestChunkMessage, noChunk } from "../wire/chunks.js";
import { safeIntegerIn } from "../wire/protobuf-reader.js";
import { Interrupted } from "./byte-source.js";
import type { ByteSource } from "./byte-source.js";
import { nextLength } from "./frames.js";
import { MessageStream } from "./message-stream.js";
import type { Outgoing } from "./outgoing.js";

/** A chunk has a few integers besides its bytes. */
const mostBuffered = 64;

export class CallChunks implements IncomingChunks {
  readonly #source: ByteSource;
  readonly #outgoing: Outgoing;
  readonly #mostBytes: number;

  /** Takes chunks of up to `chunkBytes`. */
  constructor(source: ByteSource, outgoing: Outgoing, chunkBytes: number) {
    this.#source = source;
    this.#outgoing = outgoing;
    this.#mostBytes = longestChunkMessage(chunkBytes);
  }

  acknowledge(offset: number): void {
    this.#outgoing.send(encodeHeld(offset));
  }

  async next(): Promise<Chunk> {
    try {
      return await this.#next();
    } catch (error) {
      // Where a message that cannot be read ends, nothing can be found after it.
      throw error instanceof Interrupted || error instanceof Violation ? error : new Violation(messageOf(error));
    }
  }

  async #next(): Promise<Chunk> {
    // From now on: a client that announced an update and sends nothing would keep its turn for ever.
    this.#source.messageBegins();
    const length = await nextLength(this.#source, this.#mostBytes);
    if (length === undefined) throw new Interrupted("the chunks broke off");
    if (typeof length === "object") throw new Violation(length.details);
    const message = new MessageStream(this.#source, length, "ClientMessage", mostBuffered);
    const tag = await message.next(message.root);
    if (tag?.number !== chunkFields.chunk) throw noChunk();
    const scope = await message.open(tag, message.root, "chunk");
    let offset = 0;
    for (let field = await message.next(scope); field !== undefined; field = await message.next(scope)) {
      if (field.number === 1) offset = safeIntegerIn(await message.value(field, scope), "chunk.offset");
      else if (field.number !== 2) await message.skip(field, scope);
      else {
        const data = await message.open(field, scope, "chunk.data");
        if (data.end !== message.root.end) throw new Violation("a chunk goes on after its bytes");
        return { offset, byteLength: message.left(data), bytes: this.#source };
      }
    }
    throw new Violation("a chunk came without bytes");
  }
}
