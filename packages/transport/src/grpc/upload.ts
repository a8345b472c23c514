// A fit answer that goes out in chunks, from where the server left off, and no faster than it takes them.
import type { Parameters, Reply } from "@perennial-fl/core";
import { FederationError } from "@perennial-fl/core";
import { announcedOf, stretches } from "../chunks/outgoing-chunks.js";
import { encodeChunk } from "../wire/chunks.js";
import { encodeAnnouncedFit } from "../wire/client-message.js";
import { join } from "../wire/protobuf-writer.js";
import type { Pieces } from "../wire/protobuf-writer.js";

/** What the server has said that it holds of the update that is being sent. */
export class HeldByServer {
  #offset: number | undefined;
  #wake: (() => void) | undefined;
  #over = false;

  /** Throws `wire/malformed` for what cannot be. */
  told(offset: number): void {
    if (offset < (this.#offset ?? 0)) {
      throw new FederationError("wire/malformed", `held.offset is ${offset} after ${this.#offset}`);
    }
    this.#offset = offset;
    this.#wake?.();
  }

  /** Another update follows: what was said is not of that. */
  begin(): void {
    this.#offset = undefined;
  }

  /** The connection is over, and nobody waits any more. */
  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  /** How much is held, once it is at least `offset` or the connection is over. */
  async atLeast(offset: number): Promise<number> {
    while (!this.#over && (this.#offset ?? -1) < offset) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#offset ?? 0;
  }
}

/**
 * Sends an answer with its update, encoded as `pieces`, in chunks of `chunkBytes`. Two chunks are under way at most.
 * `write` rejects when the connection is lost.
 */
export async function sendInChunks(
  answer: Omit<Extract<Reply<Parameters>, { type: "fit" }>, "update">,
  pieces: Pieces,
  chunkBytes: number,
  held: HeldByServer,
  write: (message: Buffer) => Promise<void>,
): Promise<void> {
  const announced = await announcedOf(pieces);
  held.begin();
  await write(encodeAnnouncedFit(answer, announced));
  const begin = await held.atLeast(0);
  for (const { offset, bytes } of stretches(pieces, begin, chunkBytes)) {
    await held.atLeast(Math.max(begin, offset - chunkBytes));
    await write(join(encodeChunk(offset, bytes)));
  }
}
