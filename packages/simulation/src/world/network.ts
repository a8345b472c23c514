// A virtual network: connections that are slow, lose what is under way, and break without either end knowing at once.
import { FederationError, isFederationError } from "@perennial-fl/core";
import type { Fleet, FleetEvent, OpenSink, Random } from "@perennial-fl/core";
import { Roster } from "@perennial-fl/transport";
import type { ServedConnection } from "@perennial-fl/transport";
import { Channel } from "./channel.js";
import type { Due, Process, Scheduler } from "./scheduler.js";

/** How the network behaves at present. */
export interface NetworkMood {
  /** The longest time that a message takes. */
  readonly latencyMsMax: number;
  /** The share of messages that are sent again after a while, as TCP does. */
  readonly loss: number;
  /** The share of messages with which their connection breaks, delivered or not. */
  readonly resets: number;
  /** The share of answers that arrive twice on their connection, which no client may do. */
  readonly copies: number;
  /** The share of answers that a fleet tells of again, at any time later, as another transport might. */
  readonly echoes: number;
}

export const calmNetwork: NetworkMood = { latencyMsMax: 40, loss: 0, resets: 0, copies: 0, echoes: 0 };

const connectTimeoutMs = 1_000;
const echoTimer = "echo:";

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly draw: Random;
  readonly tell: (what: string) => void;
}

interface Listening {
  readonly process: Process;
  readonly roster: Roster;
  readonly run: string;
}

/** One server and its clients. */
export class VirtualNetwork {
  readonly options: NetworkOptions;
  mood: NetworkMood = calmNetwork;
  /** Clients that nothing reaches and from whom nothing comes. */
  readonly cut = new Set<string>();
  #listening: Listening | undefined;
  #channels: Channel[] = [];

  constructor(options: NetworkOptions) {
    this.options = options;
  }

  /** The fleet of a server's process. */
  listen(process: Process, openSink: OpenSink, run: string): Fleet {
    const { scheduler } = this.options;
    const clock = {
      set: (elapsed: () => void, ms: number) => scheduler.after(ms, process, elapsed),
      clear: (due: unknown) => {
        if (due !== undefined) (due as Due).cancelled = true;
      },
    };
    const roster = new Roster(openSink, { clock });
    const listening = { process, roster, run };
    this.#listening = listening;
    return {
      events: () => this.#echoing(roster),
      send: (client, instruction) => {
        roster.send(client, instruction);
      },
      wait: (timer, ms) => {
        roster.wait(timer, ms);
      },
      close: () => {
        if (this.#listening === listening) this.#listening = undefined;
        return roster.close();
      },
    };
  }

  /** Throws `connection/refused` while no server can be reached. */
  connect(process: Process, client: string): Promise<ServedConnection> {
    const { scheduler, draw } = this.options;
    return new Promise((resolve, reject) => {
      const refused = (why: string): void => {
        reject(new FederationError("connection/refused", `connecting to the virtual server: ${why}`));
      };
      const knock = (): void => {
        const listening = this.#listening;
        if (this.cut.has(client) || draw.float() < this.mood.loss) {
          scheduler.after(connectTimeoutMs, process, () => {
            refused("no answer came");
          });
        } else if (listening?.process.alive !== true) {
          refused("nobody listens");
        } else {
          this.#open(listening, process, client, resolve, refused);
        }
      };
      scheduler.after(this.latency(), process, knock);
    });
  }

  /** Breaks every connection of a process. `quietly`, as when its power went, the other ends notice only by its silence. */
  sever(process: Process, quietly: boolean): void {
    for (const channel of this.#channels.filter((each) => each.belongsTo(process))) channel.sever(quietly);
  }

  latency(): number {
    return 0.5 + this.options.draw.float() * this.mood.latencyMsMax;
  }

  #open(
    { process: server, roster, run }: Listening,
    process: Process,
    client: string,
    resolve: (connection: ServedConnection) => void,
    refused: (why: string) => void,
  ): void {
    const { scheduler } = this.options;
    this.#channels = this.#channels.filter((each) => !each.over);
    const channel = new Channel(this, { client, process, server, refused });
    this.#channels.push(channel);
    scheduler.after(this.latency(), server, () => {
      if (channel.over) return;
      try {
        channel.seat = roster.join(channel.link);
      } catch (error) {
        if (!isFederationError(error)) throw error;
        channel.sever(false);
        return;
      }
      scheduler.after(this.latency(), process, () => {
        channel.opened = true;
        resolve(channel.connection(run));
      });
    });
  }

  /** The events of a roster, some answers more than once. */
  async *#echoing(roster: Roster): AsyncGenerator<FleetEvent> {
    const { draw, tell } = this.options;
    const echoes = new Map<string, FleetEvent>();
    for await (const event of roster.events()) {
      const echo = event.type === "elapsed" ? echoes.get(event.timer) : undefined;
      if (echo !== undefined) tell("an answer is told of again");
      yield echo ?? event;
      if (event.type === "replied" && draw.float() < this.mood.echoes) {
        const timer = `${echoTimer}${echoes.size}`;
        echoes.set(timer, event);
        // Most come within the round, some in the rounds after it.
        roster.wait(timer, 10 ** (1 + draw.float() * 3.3));
      }
    }
  }
}
