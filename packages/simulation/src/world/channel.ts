// One connection of the virtual network: two streams in order, and two ends that learn of its end each on its own.
import { FederationError, bytesOf, pour } from "@perennial-fl/core";
import type { Parameters, Reply } from "@perennial-fl/core";
import { Inbox, carriedInstruction, carriedReply } from "@perennial-fl/transport";
import type { Link, Seat, ServedConnection } from "@perennial-fl/transport";
import type { VirtualNetwork } from "./network.js";
import type { Process } from "./scheduler.js";

export interface Ends {
  readonly client: string;
  readonly process: Process;
  readonly server: Process;
  /** Told when the connection breaks before it is open. */
  readonly refused: (why: string) => void;
}

interface Message {
  readonly process: Process;
  readonly arrive: () => void;
  dueMs: number;
  /** How long a partition has held it back. */
  stalledMs: number;
}

type Direction = "toClient" | "toServer";

/** After so long without a word a connection counts as lost, by the end that waits. */
export const silenceMs = 20_000;

const retryMs = 250;

export class Channel {
  /** The server's end, once it has one. */
  seat: Seat | undefined;
  opened = false;
  readonly #network: VirtualNetwork;
  readonly #ends: Ends;
  readonly #inbox: Inbox;
  readonly #streams: Record<Direction, Message[]> = { toClient: [], toServer: [] };
  #severed = false;

  constructor(network: VirtualNetwork, ends: Ends) {
    this.#network = network;
    this.#ends = ends;
    this.#inbox = new Inbox(() => this.#close());
  }

  /** Whether nothing will arrive any more. */
  get over(): boolean {
    return this.#severed;
  }

  belongsTo(process: Process): boolean {
    return process === this.#ends.process || process === this.#ends.server;
  }

  /** What the server's roster needs of the connection. */
  get link(): Link {
    return {
      client: this.#ends.client,
      identified: true,
      send: (instruction) => {
        const carried = carriedInstruction(instruction);
        this.#send("toClient", () => {
          this.#inbox.push(carried);
        });
      },
      end: ({ reason, message }) => {
        const code = reason === "replaced" ? "connection/replaced" : "connection/lost";
        this.#send("toClient", () => {
          this.#inbox.end(new FederationError(code, message));
        });
      },
    };
  }

  connection(run: string): ServedConnection {
    return {
      run,
      instructions: () => this.#inbox.instructions(),
      reply: (reply) => this.#reply(reply),
      close: () => this.#close(),
    };
  }

  /** What is under way is lost. Each end notices on its own: soon, or `quietly` only by the silence. */
  sever(quietly: boolean): void {
    if (this.#severed) return;
    this.#severed = true;
    const { process, server, refused } = this.#ends;
    const { scheduler, draw } = this.#network.options;
    const notice = (): number => draw.float() * (quietly ? silenceMs : 2 * this.#network.mood.latencyMsMax);
    scheduler.after(notice(), process, () => {
      if (!this.opened) refused("the connection broke");
      this.#inbox.end(new FederationError("connection/lost", "the virtual connection broke"));
    });
    scheduler.after(notice(), server, () => {
      this.seat?.leave("the virtual connection broke");
    });
  }

  async #reply(reply: Reply<Parameters>): Promise<void> {
    if (this.#inbox.lost !== undefined) throw this.#inbox.lost;
    const carried = await Promise.resolve(carriedReply(reply));
    const { draw, tell } = this.#network.options;
    const { resets, copies } = this.#network.mood;
    if (hasUpdate(carried) && draw.float() < resets / 2) {
      tell(`${this.#ends.client}'s upload breaks off`);
      this.#send("toServer", () => {
        void this.#hearHalf(carried);
      });
    } else {
      const times = draw.float() < copies ? 2 : 1;
      // At once: Flower's answers do not say what they answer, and within a stream nothing comes twice by itself.
      this.#send("toServer", () => {
        for (let copy = 0; copy < times; copy++) this.#hear(carried);
      });
    }
    this.#inbox.answered();
  }

  #hear(reply: Reply<Parameters>): void {
    void this.seat?.hear(async (openUpdate) =>
      hasUpdate(reply) ? { ...reply, update: await pour(reply.update, openUpdate(reply.type)) } : reply,
    );
  }

  /** A part of the update arrives, and then the connection is gone. */
  async #hearHalf({ type, update }: UpdateReply): Promise<void> {
    const heard = this.seat?.hear(async (openUpdate) => {
      const sink = openUpdate(type);
      for (const tensor of update.slice(0, 1)) await sink.write(bytesOf(tensor).subarray(1));
      return { type: "lost" };
    });
    this.sever(false);
    await heard;
  }

  #close(): Promise<void> {
    this.#send("toServer", () => {
      this.seat?.leave("the client closed the connection");
      this.#severed = true;
    });
    this.#inbox.end();
    return Promise.resolve();
  }

  #send(direction: Direction, arrive: () => void): void {
    const { scheduler, draw, tell } = this.#network.options;
    const { loss, resets } = this.#network.mood;
    const process = direction === "toClient" ? this.#ends.process : this.#ends.server;
    const late = draw.float() < loss ? 200 * 2 ** draw.below(4) : 0;
    const stream = this.#streams[direction];
    const dueMs = Math.max(scheduler.nowMs + this.#network.latency() + late, stream.at(-1)?.dueMs ?? 0);
    const breaks = draw.float() < resets;
    if (breaks) tell(`the connection of ${this.#ends.client} breaks`);
    const lost = breaks && draw.below(2) === 0;
    const message = {
      process,
      dueMs,
      stalledMs: 0,
      arrive: () => {
        if (!lost) arrive();
        if (breaks) this.sever(false);
      },
    };
    stream.push(message);
    scheduler.after(dueMs - scheduler.nowMs, undefined, () => {
      this.#pump(direction);
    });
  }

  /** Lets everything arrive that is due; a partition holds it back until it is over, or the ends lose patience. */
  #pump(direction: Direction): void {
    const { scheduler } = this.#network.options;
    const stream = this.#streams[direction];
    for (let next = stream[0]; next !== undefined && next.dueMs <= scheduler.nowMs; next = stream[0]) {
      if (this.#severed) {
        stream.length = 0;
        return;
      }
      if (this.#network.cut.has(this.#ends.client)) {
        next.stalledMs += retryMs;
        if (next.stalledMs > silenceMs) this.sever(true);
        for (const message of stream) message.dueMs = Math.max(message.dueMs, scheduler.nowMs + retryMs);
        scheduler.after(retryMs, undefined, () => {
          this.#pump(direction);
        });
        return;
      }
      stream.shift();
      scheduler.after(0, next.process, next.arrive);
    }
  }
}

type UpdateReply = Extract<Reply<Parameters>, { readonly update: Parameters }>;

function hasUpdate(reply: Reply<Parameters>): reply is UpdateReply {
  return reply.type === "fit" || reply.type === "parameters";
}
