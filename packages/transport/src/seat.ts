// One stay of one client, as the server sees it: lockstep, the storing of updates, and events in order.
import { assert, isFederationError, messageOf } from "@perennial-fl/core";
import type {
  AnswerTimes,
  ClientId,
  FleetEvent,
  Instruction,
  OpenSink,
  Reply,
  RequestKey,
  StoredResult,
  UpdateSink,
} from "@perennial-fl/core";
import type { IncomingChunks, PartialUpdates } from "./chunks/partial-updates.js";
import { forget } from "./forget.js";
import type { Announced } from "./wire/chunks.js";
import { encodedParameters } from "./wire/server-message.js";
import { lengthOfPieces } from "./wire/protobuf-writer.js";

/** Why the server ends a connection. */
export interface Ending {
  readonly reason: "closing" | "failed" | "replaced" | "violation";
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

/** Opens the place for the update in an answer of this type; throws when no such answer was asked for. */
export type OpenUpdate = (type: "fit" | "parameters") => UpdateSink;

/** Receives the update of a fit answer that comes in chunks; throws when no such answer was asked for. */
export type ReceiveChunks = (announced: Announced, chunks: IncomingChunks) => Promise<StoredResult>;

/** What a client turns out to have said. An answer that never came whole is `lost`: nobody is told of it. */
export type Said =
  Reply<StoredResult> | { readonly type: "disconnect"; readonly reason: string } | { readonly type: "lost" };

/** What ends a connection: a client said something that nothing had asked for. */
export class Violation extends Error {}

/**
 * A message that comes in: resolves when it is here and its update at rest, rejects when it cannot be read or stored.
 * When it resolves or rejects, nothing writes to the sink any more.
 */
export type Arrival = (openUpdate: OpenUpdate, receiveChunks: ReceiveChunks) => Promise<Said>;

/** Where updates go. */
export interface Stores {
  readonly openSink: OpenSink;
  readonly partials: PartialUpdates;
}

/** Where a seat tells what happened, in order. */
export interface SeatEvents {
  joined(): void;
  heard(event: Extract<FleetEvent, { type: "replied" | "unreadable" }>): void;
  left(message: string): void;
  /** The server cannot go on: what it was to keep cannot be stored. */
  failed(error: unknown): void;
}

type Answer = Reply<StoredResult>;

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
  readonly #partials: PartialUpdates;
  readonly #events: SeatEvents;
  #chain: Promise<void>;
  #question: Question | undefined;
  #dismissed = false;
  #open = true;

  /** `after` is what must have been told before: the departure of the same client's older connection. */
  constructor(link: Link, stores: Stores, after: Promise<void> | undefined, events: SeatEvents) {
    this.#link = link;
    this.#openSink = stores.openSink;
    this.#partials = stores.partials;
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

  /**
   * The client says something, at once or over time; resolves when that has been told. Answers no question twice.
   * `times` is asked when all has come.
   */
  hear(arrive: Arrival, times: () => AnswerTimes | undefined = () => undefined): Promise<void> {
    if (!this.#open) return Promise.resolve();
    const question = this.#question;
    this.#question = undefined;
    this.#then(() => this.#take(question, arrive, times));
    return this.#chain;
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

  async #take(question: Question | undefined, arrive: Arrival, times: () => AnswerTimes | undefined): Promise<void> {
    const { client } = this.#link;
    const key = keyOf(question);
    let sink: UpdateSink | undefined;
    const check = (type: Answer["type"]): void => {
      const problem = violationOf(question, type);
      if (problem !== undefined) throw new Violation(problem);
    };
    const openUpdate: OpenUpdate = (type) => {
      check(type);
      return (sink = this.#openSink(client, key.key));
    };
    const receiveChunks: ReceiveChunks = (announced, chunks) => {
      check("fit");
      const mostBytes = mostUpdateBytes(question);
      if (key.key === undefined || !this.#link.identified) {
        throw new Violation("an update in chunks came from a client that did not say who it is");
      }
      return this.#partials.receive({ client, key: key.key, mostBytes }, announced, chunks);
    };
    try {
      const said = await arrive(openUpdate, receiveChunks);
      if (said.type !== "fit" && said.type !== "parameters") {
        const unused = sink;
        sink = undefined;
        await unused?.abort(new Error(`the update came with a message that is ${said.type}`));
      }
      if (said.type === "disconnect") this.leave(`the client says that it leaves: ${said.reason}`);
      if (said.type === "lost" || said.type === "disconnect") return;
      check(said.type);
      const at = times();
      this.#events.heard({ type: "replied", client, ...key, reply: said, ...(at && { times: at }) });
    } catch (error) {
      if (isOurs(error)) {
        await forget(sink, error);
        this.#events.failed(error);
        return;
      }
      this.#unreadable(await forget(sink, error), key);
      // Also rubbish is more than a client may say that was asked nothing.
      if (error instanceof Violation || question === undefined) {
        this.end({ reason: "violation", message: messageOf(error) });
      }
    }
  }

  #unreadable(message: string, key: Keyed): void {
    this.#events.heard({ type: "unreadable", client: this.#link.client, ...key, message });
  }

  #then(next: () => Promise<void> | void): void {
    this.#chain = this.#chain.then(next).catch((error: unknown) => {
      this.#giveUp(error);
    });
  }

  /** Nobody waits for the chain: what fails in it ends this stay aloud, and what cannot be told there ends the fleet. */
  #giveUp(error: unknown): void {
    if (!this.#open) {
      this.#events.failed(error);
      return;
    }
    this.#open = false;
    const message = `the server failed to serve the client: ${messageOf(error)}`;
    try {
      this.#link.end({ reason: "failed", message });
    } catch {
      // The link may be what failed; the departure below tells of it.
    }
    this.#events.left(message);
  }
}

function keyOf(question: Question | undefined): Keyed {
  return question !== undefined && "key" in question ? { key: question.key } : {};
}

/** What is wrong with an answer of this type, if anything is. */
function violationOf(question: Question | undefined, type: Answer["type"]): string | undefined {
  if (question === undefined) return "an answer came that nothing had asked for";
  if (type === question.type || type === "refused") return undefined;
  return `a ${type} answer came to a ${question.type} instruction`;
}

/** What an update may have beyond its model: as much as may come in a message of its own. */
const spareBytes = 2 ** 26;

/** The model that was asked with may come back with as much again beside it. */
function mostUpdateBytes(question: Question | undefined): number {
  const model = question?.type === "fit" ? lengthOfPieces(encodedParameters(question.parameters)) : 0;
  return 2 * model + spareBytes;
}

/** Whether the server's own disk failed, which is no client's doing and would fail the next one too. */
function isOurs(error: unknown): boolean {
  return isFederationError(error) && error.code.startsWith("storage/");
}

function withoutKey(instruction: Instruction): Instruction {
  if (!("key" in instruction)) return instruction;
  const { type, parameters, config } = instruction;
  return { type, parameters, config };
}
