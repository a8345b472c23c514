// Messages on their way to one client: in order, and no faster than it takes them.
import type { ServerHttp2Stream } from "node:http2";
import { lengthOfPieces } from "../wire/protobuf-writer.js";
import type { Pieces } from "../wire/protobuf-writer.js";
import { frameHeader } from "./frames.js";
import { leastBytesPerMs } from "./limits.js";
import type { StreamingLimits } from "./limits.js";

/** Shorter pieces are copied together: each costs more on its way than that. */
const shortBytes = 2 ** 12;

/** Writes messages one after the other; the next bytes go when the ones before have gone. */
export class Outgoing {
  readonly #stream: ServerHttp2Stream;
  readonly #limits: StreamingLimits;
  readonly #stalled: () => void;
  #sent: Promise<void> = Promise.resolve();

  /** `stalled` is called when the client takes nothing for too long. */
  constructor(stream: ServerHttp2Stream, limits: StreamingLimits, stalled: () => void) {
    this.#stream = stream;
    this.#limits = limits;
    this.#stalled = stalled;
  }

  send(pieces: Pieces): void {
    this.#sent = this.#sent.then(async () => {
      await this.#write(pieces);
    });
  }

  /** Messages that are made when their turn comes. */
  sendEach(messages: AsyncIterable<Pieces>): void {
    this.#sent = this.#sent.then(async () => {
      for await (const pieces of messages) if (!(await this.#write(pieces))) return;
    });
  }

  /** Resolves when everything has gone, or never will. */
  gone(): Promise<void> {
    return this.#sent;
  }

  /** Whether the client has taken the message. */
  async #write(pieces: Pieces): Promise<boolean> {
    for (const run of paced([frameHeader(lengthOfPieces(pieces)), ...pieces], this.#limits.sendBytes)) {
      // A model that is written at once would be held once per client, and over TLS encrypted in advance.
      if (!(await this.#take(run))) return false;
    }
    return true;
  }

  /** Whether the client has taken all of a run. */
  #take(run: Pieces): Promise<boolean> {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded) return Promise.resolve(false);
    const timer = setTimeout(this.#stalled, this.#limits.stallMs + lengthOfPieces(run) / leastBytesPerMs);
    return new Promise((resolve) => {
      const settle = (taken: boolean): void => {
        clearTimeout(timer);
        stream.off("close", lost);
        resolve(taken);
      };
      const lost = (): void => {
        settle(false);
      };
      stream.once("close", lost);
      // One call of the system for all of them.
      stream.cork();
      for (const piece of run.slice(0, -1)) stream.write(piece);
      stream.write(run.at(-1), (error) => {
        settle(error === null || error === undefined);
      });
      stream.uncork();
    });
  }
}

/**
 * The same bytes in runs of at most `most`, none of them empty: long pieces as views of themselves, short ones copied
 * together.
 */
export function* paced(pieces: Pieces, most: number): Generator<Pieces, void, undefined> {
  let run: Uint8Array[] = [];
  let left = most;
  for (const piece of parts(pieces, most)) {
    if (piece.byteLength > left) {
      yield run;
      run = [];
      left = most;
    }
    run.push(piece);
    left -= piece.byteLength;
  }
  if (run.length > 0) yield run;
}

/** Short pieces together, and long ones in parts of at most `most`. */
function* parts(pieces: Pieces, most: number): Generator<Uint8Array, void, undefined> {
  let short: Uint8Array[] = [];
  let shortLength = 0;
  for (const piece of pieces) {
    if (shortLength + piece.byteLength > shortBytes && shortLength > 0) {
      yield Buffer.concat(short);
      short = [];
      shortLength = 0;
    }
    if (piece.byteLength > shortBytes) {
      for (let at = 0; at < piece.byteLength; at += most) yield piece.subarray(at, at + most);
    } else {
      short.push(piece);
      shortLength += piece.byteLength;
    }
  }
  if (shortLength > 0) yield Buffer.concat(short);
}
