// The server's side of every transport: who is connected, who was asked what, and what came of it.
import { FederationError, assert } from "@perennial-fl/core";
import type { ClientId, Fleet, FleetEvent, Instruction, OpenSink } from "@perennial-fl/core";
import { defaultPartialLimits } from "./chunks/limits.js";
import type { PartialLimits } from "./chunks/limits.js";
import { PartialUpdates } from "./chunks/partial-updates.js";
import { HeldBytes } from "./http2/held-bytes.js";
import { Queue } from "./queue.js";
import { Seat } from "./seat.js";
import type { Link, Stores } from "./seat.js";
import { Timers } from "./timers.js";
import type { Clock } from "./timers.js";

type Reply = Extract<FleetEvent, { type: "replied" }>;

/** An event on its way to the one who iterates. */
interface Posted {
  readonly event: FleetEvent;
  /** Called at the moment of delivery; an event that it calls outdated is dropped. */
  readonly deliver?: () => "current" | "outdated";
}

export interface RosterOptions {
  /** Instead of the system's clock. */
  readonly clock?: Clock;
  /** Told of what went wrong and belongs to no client. */
  readonly report?: (error: unknown) => void;
  /** Counts the memory of updates that come in chunks. */
  readonly held?: HeldBytes;
  /** What is held of updates whose clients are away, where it differs from the defaults. */
  readonly partials?: Partial<PartialLimits>;
}

/**
 * A fleet without a network: transports seat the clients that reach them and tell it what those say. What a server
 * knows of a client is what it has been told, so `send` addresses the stay whose `joined` event was delivered last,
 * and never a newer one of the same id.
 */
export class Roster implements Fleet {
  readonly #stores: Stores;
  readonly #posted = new Queue<Posted>();
  readonly #timers: Timers;
  /** The seats that were taken and not yet given back. */
  readonly #seats = new Map<ClientId, Seat>();
  /** The seats whose `joined` was delivered and whose `left` was not. */
  readonly #known = new Map<ClientId, Seat>();
  /** How often each timer was started: an elapsed event of an earlier start is outdated. */
  readonly #starts = new Map<string, number>();
  #closed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(openSink: OpenSink, options: RosterOptions = {}) {
    const { clock, report = () => undefined, held = new HeldBytes() } = options;
    const limits = { ...defaultPartialLimits, ...options.partials };
    this.#stores = { openSink, partials: new PartialUpdates(openSink, { limits, held, report, clock }) };
    this.#timers = new Timers(clock);
  }

  /** Seats a client that reached the server. An older connection of the same id is ended and leaves first. */
  join(link: Link): Seat {
    if (this.#closed) throw new FederationError("connection/refused", "the fleet is closed");
    const { client, identified } = link;
    const older = this.#seats.get(client);
    older?.end({ reason: "replaced", message: replacedMessage(client) });
    const seat = new Seat(link, this.#stores, older?.settled(), {
      joined: () => {
        this.#post({ type: "joined", client, identified }, () => this.#known.set(client, seat));
      },
      heard: (event) => {
        this.#post(event);
      },
      left: (message) => {
        if (this.#seats.get(client) === seat) this.#seats.delete(client);
        this.#post({ type: "left", client, message }, () => this.#known.delete(client));
      },
      failed: (error) => {
        this.#failure ??= { error };
        this.#posted.end();
      },
    });
    this.#seats.set(client, seat);
    return seat;
  }

  async *events(): AsyncGenerator<FleetEvent, void, undefined> {
    for await (const { event, deliver } of this.#posted) {
      if (deliver?.() !== "outdated") yield event;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  takeReply(): Reply | undefined {
    // Nothing is called at a reply's delivery, so that it may come before the one before it has been looked at.
    const posted = this.#posted.takeIf(({ event }) => event.type === "replied");
    return posted?.event as Reply | undefined;
  }

  send(client: ClientId, instruction: Instruction): void {
    if ("key" in instruction) this.#stores.partials.asked(instruction.key);
    this.#known.get(client)?.ask(instruction);
  }

  wait(timer: string, ms: number): void {
    assert(ms >= 0, `a wait is of 0 ms or more, not ${ms}`);
    const start = (this.#starts.get(timer) ?? 0) + 1;
    this.#starts.set(timer, start);
    this.#timers.start(timer, ms, () => {
      this.#posted.push({
        event: { type: "elapsed", timer },
        deliver: () => (this.#starts.get(timer) === start ? "current" : "outdated"),
      });
    });
  }

  /** Ends every connection, lets the updates that are being stored finish, and ends the events. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timers.close();
    const seats = [...this.#seats.values()];
    for (const seat of seats) seat.end({ reason: "closing", message: "the server is closing" });
    await Promise.all(seats.map((seat) => seat.settled()));
    await this.#stores.partials.close();
    this.#posted.end();
  }

  #post(event: FleetEvent, delivered?: () => unknown): void {
    const deliver = (): "current" => {
      delivered?.();
      return "current";
    };
    this.#posted.push({ event, deliver });
  }
}

/** Read by the server's person and by the client's, one of whom may have started two clients under one id. */
function replacedMessage(client: ClientId): string {
  return `${client} has connected again: of two connections under one id the newer one is served`;
}
