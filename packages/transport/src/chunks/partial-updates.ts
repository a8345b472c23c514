// Updates that come in chunks: what a server holds of each, also while its client is away.
import { FederationError, assert, keyText, messageOf, sameKey } from "@perennial-fl/core";
import type { ClientId, OpenSink, RequestKey, StoredResult, UpdateSink } from "@perennial-fl/core";
import { Interrupted } from "../http2/byte-source.js";
import { receiveParameters } from "../http2/arriving-parameters.js";
import { forget } from "../forget.js";
import type { HeldBytes } from "../http2/held-bytes.js";
import { UpdateWriter } from "../http2/update-writer.js";
import { Timers } from "../timers.js";
import type { Clock } from "../timers.js";
import type { Announced } from "../wire/chunks.js";
import { checkTensorType } from "../wire/parameters.js";
import { ChunkedParameters } from "./chunked-parameters.js";
import type { Chunk } from "./chunked-parameters.js";
import type { PartialLimits } from "./limits.js";

/** A client that begins more often within one question has no answer that lasts. */
const mostBeginnings = 10;

/** The chunks of one connection, in the order in which they come. */
export interface IncomingChunks {
  /** Tells the client how many bytes are held. */
  acknowledge(offset: number): void;
  /** The next one. Throws {@link Interrupted} when the connection is lost, and `Violation` for a message that is none. */
  next(): Promise<Chunk>;
}

/** Whose update comes, and for which question; it may have `mostBytes`. */
export interface Asked {
  readonly client: ClientId;
  readonly key: RequestKey;
  readonly mostBytes: number;
}

interface Partial {
  readonly client: ClientId;
  readonly key: RequestKey;
  readonly sink: UpdateSink;
  readonly writer: UpdateWriter;
  readonly parameters: ChunkedParameters<void>;
}

interface PartialUpdatesOptions {
  readonly limits: PartialLimits;
  readonly held: HeldBytes;
  /** Told of an update that could not be forgotten. */
  readonly report: (error: unknown) => void;
  readonly clock: Clock | undefined;
}

/** At most one update per client. One whose connection is lost waits, with its sink open, for the client to come back. */
export class PartialUpdates {
  readonly #openSink: OpenSink;
  readonly #limits: PartialLimits;
  readonly #held: HeldBytes;
  readonly #report: (error: unknown) => void;
  readonly #timers: Timers;
  /** Those whose clients are away, the longest first. */
  readonly #waiting = new Map<ClientId, Partial>();
  readonly #beginnings = new Map<ClientId, number>();
  /** What is being forgotten and nobody waits for. */
  readonly #dropped = new Set<Promise<void>>();
  /** The question that the round is at. */
  #key: RequestKey | undefined;

  constructor(openSink: OpenSink, { limits, held, report, clock }: PartialUpdatesOptions) {
    this.#openSink = openSink;
    this.#limits = limits;
    this.#held = held;
    this.#report = report;
    this.#timers = new Timers(clock);
  }

  /** A question with this key is sent: updates for any other that have waited for their clients are wanted no more. */
  asked(key: RequestKey): void {
    if (this.#key !== undefined && sameKey(this.#key, key)) return;
    this.#key = key;
    this.#beginnings.clear();
    for (const partial of [...this.#waiting.values()]) {
      if (!sameKey(partial.key, key)) this.#drop(partial, `the server has gone on to ${keyText(key)}`);
    }
  }

  /**
   * Receives an update from where its client left off, and brings it to rest when all is there and its digest is right.
   * Throws {@link Interrupted} when the connection is lost: what has come waits for the client. After any other error
   * nothing is left of it.
   */
  async receive(asked: Asked, announced: Announced, chunks: IncomingChunks): Promise<StoredResult> {
    const partial = await this.#take(asked, announced).catch((error: unknown) => {
      // Nothing more is wanted of it, and its client need not wait.
      chunks.acknowledge(announced.byteLength);
      throw error;
    });
    const { parameters, writer } = partial;
    try {
      chunks.acknowledge(parameters.offset);
      while (parameters.offset < announced.byteLength) {
        await parameters.take(await chunks.next());
        chunks.acknowledge(parameters.offset);
      }
      await parameters.whole();
      const stored = await writer.close();
      this.#hold(-1);
      return stored;
    } catch (thrown) {
      if (thrown instanceof Interrupted && this.#wait(partial)) throw thrown;
      const error = parameters.failure?.error ?? thrown;
      const story = await this.#end(partial, error);
      throw story === messageOf(error) ? error : new Error(story, { cause: error });
    }
  }

  /** Forgets all of them; resolves when nothing is left, also of those that were dropped before. */
  async close(): Promise<void> {
    this.#timers.close();
    for (const partial of [...this.#waiting.values()]) this.#drop(partial, "the server is closing");
    await Promise.all(this.#dropped);
  }

  /** The client's update, if it is this one and has waited; a new one otherwise. */
  async #take({ client, key, mostBytes }: Asked, announced: Announced): Promise<Partial> {
    const { sha256, byteLength } = announced;
    const waiting = this.#waiting.get(client);
    if (waiting !== undefined) {
      const known = waiting.parameters.announced;
      if (sameKey(waiting.key, key) && known.sha256 === sha256 && known.byteLength === byteLength) {
        this.#waiting.delete(client);
        return waiting;
      }
      await this.#forget(waiting, `${client} announced another update`);
    }
    if (byteLength > mostBytes) {
      const what = `${client} announced an update of ${byteLength} bytes, and one for ${keyText(key)} has at most ${mostBytes}`;
      throw new FederationError("wire/too-large", what);
    }
    const beginnings = (this.#beginnings.get(client) ?? 0) + 1;
    this.#beginnings.set(client, beginnings);
    if (beginnings > mostBeginnings) {
      throw new FederationError("wire/malformed", `${client} began its update for ${keyText(key)} ${beginnings} times`);
    }
    return this.#open(client, key, announced);
  }

  /** Leaves nothing of an update that will not be whole; gives the whole story of why. */
  async #end({ parameters, writer, sink }: Partial, error: unknown): Promise<string> {
    await parameters.abandon();
    await writer.settled();
    this.#hold(-1);
    return forget(sink, error);
  }

  /** Counts the two stages of one update more, or of one less. */
  #hold(updates: 1 | -1): void {
    this.#held.add(updates * 2 * this.#limits.stageBytes);
  }

  #open(client: ClientId, key: RequestKey, announced: Announced): Partial {
    const { stageBytes, scalarsBytes } = this.#limits;
    const sink = this.#openSink(client, key);
    this.#hold(1);
    const writer = new UpdateWriter(sink, [new Uint8Array(stageBytes), new Uint8Array(stageBytes)]);
    const name = "fit_res.parameters";
    const parameters = new ChunkedParameters(announced, name, scalarsBytes, async (message) => {
      const type = await receiveParameters(message, message.root, writer);
      checkTensorType(writer.tensors, type ?? "", name);
    });
    return { client, key, sink, writer, parameters };
  }

  /** Whether an update may wait for its client. */
  #wait(partial: Partial): boolean {
    const { client, key } = partial;
    if (partial.parameters.failure || !this.#key || !sameKey(this.#key, key)) return false;
    assert(!this.#waiting.has(client), `${client} has one update at a time`);
    this.#waiting.set(client, partial);
    const { partials, partialMs } = this.#limits;
    this.#timers.start(client, partialMs, () => {
      if (this.#waiting.get(client) === partial) this.#drop(partial, `${client} stayed away for ${partialMs} ms`);
    });
    const [longest] = this.#waiting.values();
    if (this.#waiting.size > partials && longest) this.#drop(longest, `more than ${partials} updates wait`);
    return true;
  }

  #drop(partial: Partial, why: string): void {
    const forgetting = this.#forget(partial, why);
    this.#dropped.add(forgetting);
    void forgetting.then(() => this.#dropped.delete(forgetting));
  }

  async #forget(partial: Partial, why: string): Promise<void> {
    const { client } = partial;
    this.#waiting.delete(client);
    const story = await this.#end(partial, new Error(why));
    if (story !== why) this.#report(new Error(`an update of ${client} that had come in part is dropped: ${story}`));
  }
}
