// The bytes of a stream, pulled by their reader: what nobody has asked for yet stays in the network.
import type { ServerHttp2Stream } from "node:http2";
import type { HeldBytes } from "./held-bytes.js";
import { leastBytesPerMs } from "./limits.js";

/** One turn of the event loop brings up to 64 KiB; what comes after that has to wait. */
const mostHeld = 2 ** 16;

/** The stream ended or broke in the middle of a message. */
export class Interrupted extends Error {}

/** Bytes that are pulled by their reader. */
export interface Bytes {
  /** From 1 to `most` bytes that are here, or nothing. */
  ready(most: number): Buffer | undefined;
  /** From 1 to `most` bytes, or nothing when no more will come. */
  some(most: number): Promise<Buffer | undefined>;
}

/** Bytes that are all here already. */
export function bytesOfBuffer(data: Uint8Array): Bytes {
  let rest = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const ready = (most: number): Buffer | undefined => {
    const piece = rest.subarray(0, most);
    rest = rest.subarray(piece.byteLength);
    return piece.byteLength > 0 ? piece : undefined;
  };
  return { ready, some: (most) => Promise.resolve(ready(most)) };
}

/** Pulls a stream. What has arrived stays readable after the stream has ended or broken. */
export class ByteSource implements Bytes {
  readonly #stream: ServerHttp2Stream;
  readonly #held: HeldBytes;
  readonly #stallMs: number;
  readonly #stalled: () => void;
  readonly #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #over: "ended" | "broken" | undefined;
  #wake: (() => void) | undefined;
  /** Milliseconds that the client may still let us wait, while a message is coming in. */
  #patience = 0;
  #waitingSince: number | undefined;
  /** Looks after a message that is coming in: a timer of its own for each wait would cost more than the wait. */
  #watch: NodeJS.Timeout | undefined;

  /** `stalled` is called when a client lets us wait for too long in the middle of a message. */
  constructor(stream: ServerHttp2Stream, held: HeldBytes, stallMs: number, stalled: () => void) {
    this.#stream = stream;
    this.#held = held;
    this.#stallMs = stallMs;
    this.#stalled = stalled;
    stream.on("data", (chunk: Buffer) => {
      this.#arrive(chunk);
    });
    stream.on("end", () => {
      this.#end(stream.aborted ? "broken" : "ended");
    });
    stream.on("close", () => {
      this.#end("broken");
    });
  }

  /** Whether the client has ended the stream, in order. */
  get ended(): boolean {
    return this.#over === "ended";
  }

  /** The client owes us a message from now on, until `messageEnds`. */
  messageBegins(): void {
    this.#patience = this.#stallMs;
    if (this.#over === undefined)
      this.#watch ??= setInterval(
        () => {
          this.#look();
        },
        Math.min(Math.max(1, this.#stallMs / 8), 2 ** 31 - 1),
      );
  }

  messageEnds(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  ready(most: number): Buffer | undefined {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return undefined;
    const taken = chunk.subarray(0, most);
    if (taken.byteLength === chunk.byteLength) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(most);
    this.#chunkBytes -= taken.byteLength;
    this.#held.add(-taken.byteLength);
    this.#patience += taken.byteLength / leastBytesPerMs;
    return taken;
  }

  async some(most: number): Promise<Buffer | undefined> {
    while (this.#chunks.length === 0 && this.#over === undefined) await this.#more();
    return this.ready(most);
  }

  /** Forgets what has arrived and nobody reads. */
  drop(): void {
    this.#held.add(-this.#chunkBytes);
    this.#chunkBytes = 0;
    this.#chunks.length = 0;
  }

  #arrive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.byteLength;
    this.#held.add(chunk.byteLength);
    if (this.#chunkBytes >= mostHeld) this.#stream.pause();
    this.#wake?.();
  }

  #end(how: "ended" | "broken"): void {
    this.#over ??= how;
    this.messageEnds();
    this.#wake?.();
  }

  #look(): void {
    if (this.#waitingSince !== undefined && performance.now() - this.#waitingSince > this.#patience) this.#stalled();
  }

  async #more(): Promise<void> {
    const began = performance.now();
    this.#waitingSince = began;
    if (this.#stream.isPaused()) this.#stream.resume();
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
    this.#waitingSince = undefined;
    this.#patience -= performance.now() - began;
  }
}
