// One stay of one client, as the server sees it: lockstep, the storing of updates, and events in order.
import { assert, messageOf } from "@perennial-fl/core";
import type {
  ClientId,
  FleetEvent,
  Instruction,
  OpenSink,
  Reply,
  RequestKey,
  StoredResult,
  UpdateSink,
} from "@perennial-fl/core";

/** Why the server ends a connection. */
export interface Ending {
  readonly reason: "closing" | "replaced" | "violation";
  readonly message: string;
}

/** The way to a connected client. */
export interface Link {
  readonly client: ClientId;
  readonly identified: boolean;
  send(instruction: Instruction): void;
  /** The client sees a lost connection and can read why. */
  end(ending: Ending): void;
}

/** An update that has arrived and is not yet at rest: writes itself into a sink and closes that. */
export type ArrivedUpdate = (sink: UpdateSink) => Promise<StoredResult>;

/** Where a seat tells what happened, in order. */
export interface SeatEvents {
  joined(): void;
  heard(event: Extract<FleetEvent, { type: "replied" | "unreadable" }>): void;
  left(message: string): void;
}

/** What an answer answers. */
type Question = Exclude<Instruction, { type: "reconnect" }>;

/** The key of a question that has one. */
type Keyed = { readonly key?: RequestKey };

/**
 * A client's place in a {@link Roster}. Everything that a seat tells passes through one chain, so that a reply is told
 * only when its update is at rest, and a departure only after the replies before it.
 */
export class Seat {
  readonly #link: Link;
  readonly #openSink: OpenSink;
  readonly #events: SeatEvents;
  #chain: Promise<void>;
  #question: Question | undefined;
  #dismissed = false;
  #open = true;

  /** `after` is what must have been told before: the departure of the same client's older connection. */
  constructor(link: Link, openSink: OpenSink, after: Promise<void> | undefined, events: SeatEvents) {
    this.#link = link;
    this.#openSink = openSink;
    this.#events = events;
    this.#chain = (after ?? Promise.resolve()).then(() => {
      events.joined();
    });
  }

  /** Sends an instruction. A `reconnect` may go to a client that still works; everything else waits for its answer. */
  ask(instruction: Instruction): void {
    if (!this.#open) return;
    if (instruction.type === "reconnect") {
      this.#dismissed = true;
    } else {
      assert(this.#question === undefined, `${this.#link.client} has not answered its last instruction`);
      this.#question = instruction;
    }
    this.#link.send(this.#link.identified ? instruction : withoutKey(instruction));
  }

  /** An answer came; `read` gives its meaning, or throws when it has none. */
  answer(read: () => Reply<ArrivedUpdate>): void {
    if (!this.#open) return;
    const question = this.#question;
    this.#question = undefined;
    if (question === undefined) {
      const message = "an answer came that nothing had asked for";
      this.#then(() => {
        this.#unreadable(message, {});
      });
      this.end({ reason: "violation", message });
      return;
    }
    this.#then(() => this.#take(question, read));
  }

  /** The client is gone, or says that it goes. */
  leave(message: string): void {
    if (!this.#open) return;
    this.#open = false;
    const told = this.#dismissed ? "the client left as it was told to" : message;
    this.#then(() => {
      this.#events.left(told);
    });
  }

  /** Ends the connection from the server's side. */
  end(ending: Ending): void {
    if (!this.#open) return;
    this.#link.end(ending);
    this.leave(ending.message);
  }

  /** Resolves when all that has happened so far has been told. */
  settled(): Promise<void> {
    return this.#chain;
  }

  async #take(question: Question, read: () => Reply<ArrivedUpdate>): Promise<void> {
    const { client } = this.#link;
    const key = keyOf(question);
    try {
      const reply = read();
      if (reply.type !== question.type && reply.type !== "refused") {
        const message = `a ${reply.type} answer came to a ${question.type} instruction`;
        this.#unreadable(message, key);
        this.end({ reason: "violation", message });
        return;
      }
      this.#events.heard({ type: "replied", client, ...key, reply: await this.#store(reply, question) });
    } catch (error) {
      this.#unreadable(messageOf(error), key);
    }
  }

  async #store(reply: Reply<ArrivedUpdate>, question: Question): Promise<Reply<StoredResult>> {
    if (reply.type !== "fit" && reply.type !== "parameters") return reply;
    const sink = this.#openSink(this.#link.client, keyOf(question).key);
    try {
      return { ...reply, update: await reply.update(sink) };
    } catch (error) {
      await sink.abort(error).catch((second: unknown) => {
        throw new Error(`${messageOf(error)}; and the update could not be forgotten: ${messageOf(second)}`);
      });
      throw error;
    }
  }

  #unreadable(message: string, key: Keyed): void {
    this.#events.heard({ type: "unreadable", client: this.#link.client, ...key, message });
  }

  #then(next: () => Promise<void> | void): void {
    this.#chain = this.#chain.then(next);
  }
}

function keyOf(question: Question): Keyed {
  return "key" in question ? { key: question.key } : {};
}

function withoutKey(instruction: Instruction): Instruction {
  if (!("key" in instruction)) return instruction;
  const { type, parameters, config } = instruction;
  return { type, parameters, config };
}
