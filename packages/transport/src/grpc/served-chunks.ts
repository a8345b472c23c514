// The chunks that follow an announced update on one call of grpc-js, which come as whole messages.
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { messageOf } from "@perennial-fl/core";
import type { Chunk } from "../chunks/chunked-parameters.js";
import type { IncomingChunks } from "../chunks/partial-updates.js";
import { Interrupted, bytesOfBuffer } from "../http2/byte-source.js";
import { Violation } from "../seat.js";
import { encodeHeld, longestChunkMessage, chunkIn } from "../wire/chunks.js";
import { join } from "../wire/protobuf-writer.js";

/** Messages that wait to be read; with more, the network waits. */
const mostWaiting = 2;

type Call = Pick<ServerDuplexStream<Buffer, Buffer>, "pause" | "resume" | "write">;

/** While an update is received, what comes on the call is its chunks. */
export class ServedChunks implements IncomingChunks {
  readonly #call: Call;
  readonly #mostBytes: number;
  readonly #waiting: Buffer[] = [];
  #receiving = false;
  #over = false;
  #wake: (() => void) | undefined;

  /** Takes chunks of up to `chunkBytes`. */
  constructor(call: Call, chunkBytes: number) {
    this.#call = call;
    this.#mostBytes = longestChunkMessage(chunkBytes);
  }

  /** Lets `receive` have what comes until it has settled. */
  async during<T>(receive: () => Promise<T>): Promise<T> {
    this.#receiving = true;
    try {
      return await receive();
    } finally {
      this.#receiving = false;
      this.#waiting.length = 0;
      this.#call.resume();
    }
  }

  /** Takes a message that came, if an update is being received. */
  takes(message: Buffer): boolean {
    if (!this.#receiving) return false;
    this.#waiting.push(message);
    if (this.#waiting.length >= mostWaiting) this.#call.pause();
    this.#wake?.();
    return true;
  }

  /** No more will come. */
  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  acknowledge(offset: number): void {
    this.#call.write(join(encodeHeld(offset)));
  }

  async next(): Promise<Chunk> {
    while (this.#waiting.length === 0 && !this.#over) await new Promise<void>((resolve) => (this.#wake = resolve));
    const message = this.#waiting.shift();
    if (message === undefined) throw new Interrupted("the chunks broke off");
    this.#call.resume();
    if (message.byteLength > this.#mostBytes) {
      throw new Violation(`a message of ${message.byteLength} bytes came, and at most ${this.#mostBytes} are received`);
    }
    try {
      const { offset, data } = chunkIn(message);
      return { offset, byteLength: data.byteLength, bytes: bytesOfBuffer(data) };
    } catch (error) {
      throw new Violation(messageOf(error));
    }
  }
}
