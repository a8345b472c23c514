// Parameters that come in chunks, over one connection or several, to a reader that sees one message.
import { createHash } from "node:crypto";
import { FederationError } from "@perennial-fl/core";
import { Interrupted } from "../http2/byte-source.js";
import type { Bytes } from "../http2/byte-source.js";
import { MessageStream } from "../http2/message-stream.js";
import { Violation } from "../seat.js";
import type { Announced } from "../wire/chunks.js";

/** One chunk as it arrives. */
export interface Chunk {
  readonly offset: number;
  readonly byteLength: number;
  /** Gives at least so many bytes, or breaks off. */
  readonly bytes: Bytes;
}

interface Current {
  readonly bytes: Bytes;
  left: number;
  /** Called when the chunk is taken (`true`), has broken off (`false`), or is not read any more (`true`). */
  readonly settle: (taken: boolean) => void;
}

/**
 * The reader runs from the first chunk to the last and just waits where a chunk ends or a connection is lost, so that
 * what it has read need not be read again. What it was given is what counts as held.
 */
export class ChunkedParameters<Result> {
  readonly announced: Announced;
  readonly #name: string;
  readonly #hash = createHash("sha256");
  readonly #reading: Promise<Result>;
  #whole: Promise<Result> | undefined;
  #offset = 0;
  #current: Current | undefined;
  #wake: (() => void) | undefined;
  #over = false;
  #failure: { readonly error: unknown } | undefined;

  /** `read` reads the message `name`, of which it may hold `mostBuffered` bytes in memory besides the tensors. */
  constructor(
    announced: Announced,
    name: string,
    mostBuffered: number,
    read: (message: MessageStream) => Promise<Result>,
  ) {
    this.announced = announced;
    this.#name = name;
    const bytes: Bytes = { ready: (most) => this.#ready(most), some: (most) => this.#some(most) };
    this.#reading = read(new MessageStream(bytes, announced.byteLength, name, mostBuffered));
    this.#reading.catch((error: unknown) => {
      this.#over = true;
      this.#failure = { error };
      this.#current?.settle(true);
    });
  }

  /** How many bytes are held: the next chunk begins there. */
  get offset(): number {
    return this.#offset;
  }

  /** Why nobody reads any more, if so. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /**
   * Takes a chunk; passes over it once the reader has failed, so that its sender can come to the end. Throws
   * {@link Violation} for one that does not belong here, and {@link Interrupted} when it breaks off; what had come of it
   * is held.
   */
  async take({ offset, byteLength, bytes }: Chunk): Promise<void> {
    this.#check(offset, byteLength);
    const left = this.#over ? byteLength : await this.#read(bytes, byteLength);
    for (let at = 0; at < left;) {
      const piece = await bytes.some(left - at);
      if (piece === undefined) throw brokenOff(this.#name);
      at += piece.byteLength;
      this.#offset += piece.byteLength;
    }
  }

  /**
   * What the reader made of the whole. Throws what it threw, and `wire/malformed` when the digest is not the announced
   * one. To be called when all has been taken.
   */
  whole(): Promise<Result> {
    return (this.#whole ??= this.#compare());
  }

  /** No more will come. Resolves when the reader has heard of it. */
  async abandon(): Promise<void> {
    this.#over = true;
    this.#wake?.();
    await this.#reading.catch(() => undefined);
  }

  #check(offset: number, byteLength: number): void {
    const { byteLength: total } = this.announced;
    const chunk = `a chunk of ${byteLength} bytes of ${this.#name} begins at ${offset}`;
    if (offset !== this.#offset) throw new Violation(`${chunk}, and ${this.#offset} bytes are held`);
    if (byteLength === 0 && total > 0) throw new Violation(`${chunk}: it is empty`);
    if (byteLength > total - offset) throw new Violation(`${chunk}, and ${total} were announced`);
  }

  /** Lends bytes to the reader; gives how many it has left when it reads no more. */
  async #read(bytes: Bytes, byteLength: number): Promise<number> {
    let settle: Current["settle"] = () => undefined;
    const settled = new Promise<boolean>((resolve) => (settle = resolve));
    const current = (this.#current = { bytes, left: byteLength, settle });
    this.#wake?.();
    const taken = await settled;
    this.#current = undefined;
    if (!taken) throw brokenOff(this.#name);
    return current.left;
  }

  async #compare(): Promise<Result> {
    const result = await this.#reading;
    const found = this.#hash.digest("hex");
    const { sha256 } = this.announced;
    if (found === sha256) return result;
    throw new FederationError(
      "wire/malformed",
      `${this.#name} came with the SHA-256 ${found}, and ${sha256} was announced`,
    );
  }

  #ready(most: number): Buffer | undefined {
    const current = this.#current;
    return current && this.#count(current, current.bytes.ready(Math.min(most, current.left)));
  }

  async #some(most: number): Promise<Buffer | undefined> {
    while (!this.#over) {
      const current = this.#current;
      if (current === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else {
        const piece = await current.bytes.some(Math.min(most, current.left));
        if (piece !== undefined) return this.#count(current, piece);
        this.#current = undefined;
        current.settle(false);
      }
    }
    return undefined;
  }

  #count(current: Current, piece: Buffer | undefined): Buffer | undefined {
    if (piece === undefined) return undefined;
    this.#hash.update(piece);
    this.#offset += piece.byteLength;
    current.left -= piece.byteLength;
    if (current.left === 0) {
      this.#current = undefined;
      current.settle(true);
    }
    return piece;
  }
}

function brokenOff(name: string): Interrupted {
  return new Interrupted(`a chunk of ${name} broke off`);
}
