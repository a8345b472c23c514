// What a server can be told, and the plan that follows from it.
import { FederationError } from "@perennial-fl/core";
import type { ClientId, Fleet, OpenSink, Parameters } from "@perennial-fl/core";
import type { Retention, Storage, TorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { OnnxModule } from "@perennial-fl/module";
import type { Strategy } from "@perennial-fl/strategy";
import type { ChunkOptions, ListenOptions } from "@perennial-fl/transport";
import type { History } from "./history.js";
import type { transports } from "./open-fleet.js";
import type { Durability } from "./open-journal.js";
import type { Plan } from "./plan.js";
import type { Resume } from "./resume.js";
import type { World } from "./runner.js";
import type { ServerEvent } from "./server-event.js";

export interface ServerOptions {
  /** `HOST:PORT`; port 0 takes a free one. Default `[::]:8080`, as Flower's. */
  readonly address?: string;
  readonly tls?: ListenOptions["tls"];
  /**
   * How Flower's wire is spoken: `streaming` (our own framing, in memory that does not grow with the clients) or `grpc`
   * (grpc-js, which holds whole messages). Clients see no difference. Default `streaming`.
   */
  readonly transport?: keyof typeof transports;
  /** How long parameters travel between our own peers; see `ChunkOptions` of the transport. */
  readonly chunks?: ChunkOptions;
  /** The run ends after so many rounds, counted from its beginning. */
  readonly numRounds: number;
  readonly strategy: Strategy;
  /**
   * The global model at the beginning; a resumed run goes on from its own parameters. Only a module can be offered to
   * checkpointers. Absent: a client is asked for its parameters, as a Flower server does.
   */
  readonly initialModel?: OnnxModule | Parameters;
  /** Exists already. Holds the per-round state and the round journal, and belongs to one server at a time. */
  readonly stateDir: string;
  /** Default `auto`. */
  readonly resume?: Resume;
  /** What a power loss may take: nothing that was accepted, or the open round. Default `result`. */
  readonly durability?: Durability;
  /** Updates up to this size rest in the round journal itself, larger ones in files of their own. Default 16,384 bytes. */
  readonly heldBytes?: number;
  /** Which states of former rounds stay in the state directory, to be rolled back to. Default: none but the last two. */
  readonly keepStates?: Retention;
  /** Decides who is sampled. Default 0. */
  readonly seed?: number;
  /** Closes a phase; slow clients stay connected. Default: no limit. */
  readonly roundTimeoutMs?: number;
  /** How long a client that lost its connection is expected back. Default 5 minutes. */
  readonly rejoinTimeoutMs?: number;
  /** How long clients stay away when the server is stopped on purpose. Default 10. */
  readonly restartSeconds?: number;
  /** How long a round waits for enough clients before the session fails with `server/clients`. Default: for ever. */
  readonly waitTimeoutMs?: number;
  /** Fails with `server/clients` after so many rounds in a row in which no update counted. Default 3. */
  readonly maxSkippedRounds?: number;
  /** How long a farewell may take, when the run is over or the server is stopped. Default 5 seconds. */
  readonly drainTimeoutMs?: number;
  /** Who may be chosen at all. */
  readonly criterion?: (client: ClientId) => boolean;
  /** Rejects an update farther from the model than this, in L2 over all its tensors, and names the client. Default: no bound. */
  readonly maxUpdateNorm?: number;
  /** The most examples that an update counts with; one that claims more is capped to it, or rejected. Default: no bound. */
  readonly maxExamples?: Plan["maxExamples"];
  /** The server's own evaluation of every new model, apart from the clients'; checkpointers then go by it. */
  readonly evaluate?: World["evaluate"];
  /** Ends the run before its last round; see `patience`. */
  readonly stopWhen?: (history: History) => boolean;
  /** Offered the global model after every round, with the federated loss and metrics. */
  readonly checkpointers?: readonly TorchModuleCheckpointer[];
  readonly observe?: (event: ServerEvent) => void;
  /** Told the bound address once clients can connect; the directory is this server's. Nothing else is done before it resolves. */
  readonly onListening?: (address: string) => void | Promise<void>;
  /**
   * Stops the server cleanly, and the run can be resumed: nothing new is begun, answers that arrive within
   * `drainTimeoutMs` are kept, and clients are told to come back after `restartSeconds`, which stock Flower clients obey too.
   */
  readonly signal?: AbortSignal;
  /** Another way to meet clients than gRPC: for tests and simulations. */
  readonly openFleet?: (openSink: OpenSink, run: string) => Fleet | Promise<Fleet>;
  /** Instead of the directory itself: for tests and simulations. */
  readonly storage?: Storage;
  /** Instead of the machine's randomness, of which the run's name and the journal's term are made: so many bytes as hexadecimal digits. */
  readonly randomHex?: (byteLength: number) => string;
  readonly failpoint?: World["failpoint"];
}

/** The plan of these options. Throws `argument/invalid` for numbers that make no sense. */
export function planOf(options: ServerOptions): Plan {
  const { numRounds, strategy, seed = 0, rejoinTimeoutMs = 300_000, restartSeconds = 10 } = options;
  const { roundTimeoutMs, waitTimeoutMs, criterion, stopWhen, evaluate } = options;
  const { maxSkippedRounds = 3, drainTimeoutMs = 5_000, maxUpdateNorm, maxExamples } = options;
  checkCount("numRounds", numRounds);
  checkCount("maxSkippedRounds", maxSkippedRounds);
  checkLimits(options);
  for (const [name, ms] of Object.entries({ roundTimeoutMs, waitTimeoutMs, rejoinTimeoutMs, drainTimeoutMs })) {
    if (ms !== undefined) checkPositive(name, ms);
  }
  if (!Number.isSafeInteger(seed)) throw new FederationError("argument/invalid", `seed is a whole number, not ${seed}`);
  return {
    numRounds,
    strategy,
    seed,
    rejoinTimeoutMs,
    restartSeconds,
    maxSkippedRounds,
    drainTimeoutMs,
    ...(roundTimeoutMs === undefined ? {} : { roundTimeoutMs }),
    ...(waitTimeoutMs === undefined ? {} : { waitTimeoutMs }),
    ...(maxUpdateNorm === undefined ? {} : { maxUpdateNorm }),
    ...(maxExamples && { maxExamples }),
    ...(criterion && { criterion }),
    ...(stopWhen && { stopWhen }),
    ...(evaluate && { measures: true }),
  };
}

function checkLimits({ maxUpdateNorm, maxExamples }: ServerOptions): void {
  if (maxUpdateNorm !== undefined && !(maxUpdateNorm > 0)) {
    throw new FederationError("argument/invalid", `maxUpdateNorm is a number above 0, not ${maxUpdateNorm}`);
  }
  if (maxExamples) checkCount("maxExamples.count", maxExamples.count);
}

function checkCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new FederationError("argument/invalid", `${name} is a whole number from 1, not ${value}`);
  }
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0))
    throw new FederationError("argument/invalid", `${name} is a positive number of milliseconds, not ${value}`);
}
