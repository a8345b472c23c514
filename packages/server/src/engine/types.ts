// The engine's vocabulary: what it knows, what happens to it, and what it wants done.
import type {
  ClientId,
  Failure,
  FleetEvent,
  Instruction,
  Metrics,
  Parameters,
  Phase,
  Reply,
  RequestKey,
  Saved,
  StoredResult,
} from "@perennial-fl/core";
import type { Contribution } from "@perennial-fl/strategy";
import type { History, RoundRecord } from "../history.js";
import type { ServerEvent } from "../server-event.js";
import type { ImmutableMap } from "./immutable-map.js";

/** What must survive: exactly the per-round state. Replaced as a whole when a round commits. */
export interface Durable {
  readonly run: string;
  /** The last committed round; 0 before the first. */
  readonly round: number;
  /** Part of every key. A rollback counts it up, so that no answer to the abandoned future counts in the new one. */
  readonly attempt: number;
  readonly parameters: Parameters;
  readonly strategyState: Saved;
  readonly history: History;
  /** Clients with an id of their own that took part when the round was committed. They are expected back. */
  readonly roster: readonly ClientId[];
  /** Late updates that came after this round's model was made; they count in the next. Absent: none. */
  readonly carried?: readonly LateAnswer[];
}

/** An update that was begun in an earlier round than it counts in. */
export interface LateAnswer {
  readonly client: ClientId;
  /** The round whose question it answers. */
  readonly round: number;
  readonly answer: Extract<Answer, { readonly type: "fit" }>;
  /** The model that it was trained from. */
  readonly base: StoredResult;
}

/** An answer that may count: a fit or evaluate reply. */
export type Answer = Extract<Reply<StoredResult>, { readonly type: Phase }>;

/** What came of asking one client. */
export type Outcome = Answer | { readonly type: "failed"; readonly failure: Failure };

/** One phase of the open round. All of it stands in the journal. */
export interface PhaseProgress {
  readonly key: RequestKey;
  readonly cohort: readonly ClientId[];
  /** By client; the phase is over when every member of the cohort has one. */
  readonly outcomes: ImmutableMap<ClientId, Outcome>;
  /** Its deadline has passed in this session: a phase that late answers can fill is not held open for them. */
  readonly closed?: true;
}

/** The round in progress. It fills from top to bottom, and what is missing is what comes next. */
export interface OpenRound {
  readonly fit?: PhaseProgress;
  readonly moved?: Moved;
  /** What the server's own evaluation made of the moved model. Not journalled: it is measured again after a restart. */
  readonly central?: Measured;
  readonly evaluate?: PhaseProgress;
  readonly checkpointed?: true;
  /** Late answers admitted while this round was under way. They stand in its journal. */
  readonly late?: readonly Admission[];
}

/** What the strategy made of a round's updates. */
export interface Moved {
  readonly parameters: Parameters;
  readonly strategyState: Saved;
  /** Why it could make nothing of them, so that both are as before. */
  readonly failed?: string;
}

/** The server's own evaluation of a model. */
export type Measured = NonNullable<RoundRecord["central"]>;

/** What the engine knows of a client's presence. None of it survives a restart, and none of it needs to. */
export interface Presence {
  readonly identified: boolean;
  readonly connected: boolean;
  /** The instruction that the client has not answered yet. It is not asked anything else meanwhile. */
  readonly asked?: RequestKey;
  /** It has been told that the run is over. */
  readonly told?: true;
}

export interface EngineState {
  readonly durable: Durable;
  readonly open: OpenRound;
  readonly clients: ImmutableMap<ClientId, Presence>;
  /** The models that questions still under way were asked with, by round; only where late answers count. */
  readonly versions: ReadonlyMap<number, StoredResult>;
  /** Timers that are running, by name. */
  readonly timers: ReadonlySet<string>;
  /** The last thing said about waiting, so that it is said once. */
  readonly waiting?: string;
  /** Rounds in a row, in this session, in which no update counted. */
  readonly skipped: number;
  /** Nothing more is begun: the run is over, or the server is being stopped. */
  readonly stopping: boolean;
  /** Clients are being told. */
  readonly ending: boolean;
}

/** The decision to begin a phase. */
export interface Opening {
  readonly key: RequestKey;
  readonly cohort: readonly ClientId[];
  /** Everyone with an id of their own at that moment: whom a restarted server expects back. */
  readonly roster: readonly ClientId[];
}

/** The decision that a late answer counts. */
export interface Admission {
  /** The fit of the round now under way, whether or not it is open yet: the journal belongs to that round. */
  readonly key: RequestKey;
  /** The round that it counts in: this one, or the next when this one's model is made. */
  readonly into: number;
  readonly late: LateAnswer;
}

/** A fact that the runner reports once a command's effect is durable. The journalled ones are replayed on resume. */
export type Fact =
  | ({ readonly type: "opened" } & Opening)
  | { readonly type: "accepted"; readonly key: RequestKey; readonly client: ClientId; readonly answer: Answer }
  | { readonly type: "dropped"; readonly key: RequestKey; readonly failures: readonly Failure[] }
  | ({ readonly type: "admitted" } & Admission)
  | ({ readonly type: "moved" } & Moved)
  | ({ readonly type: "measured" } & Measured)
  | { readonly type: "checkpointed" }
  | { readonly type: "committed"; readonly durable: Durable };

export type JournalledFact = Extract<Fact, { readonly key: RequestKey }>;

export type EngineEvent = FleetEvent | Fact | { readonly type: "started" };

/** Something the runner must do, in the order given. Each of the first group is answered by its fact. */
export type Command =
  | ({ readonly type: "open" } & Opening)
  | { readonly type: "accept"; readonly key: RequestKey; readonly client: ClientId; readonly answer: Answer }
  | { readonly type: "drop"; readonly key: RequestKey; readonly failures: readonly Failure[] }
  | ({ readonly type: "admit" } & Admission)
  | {
      readonly type: "aggregate";
      readonly round: number;
      readonly contributions: readonly Contribution[];
      /** How many clients were asked. */
      readonly asked: number;
    }
  | { readonly type: "measure"; readonly round: number; readonly parameters: Parameters }
  | {
      readonly type: "checkpoint";
      readonly round: number;
      readonly parameters: Parameters;
      readonly loss: number;
      readonly metrics: Metrics;
    }
  | { readonly type: "commit"; readonly durable: Durable; readonly record: RoundRecord }
  | { readonly type: "send"; readonly client: ClientId; readonly instruction: Instruction }
  | { readonly type: "wait"; readonly timer: string; readonly ms: number }
  | { readonly type: "report"; readonly event: ServerEvent }
  /** Too few clients came in time: the session fails with this message, and can be resumed. */
  | { readonly type: "giveUp"; readonly message: string }
  | { readonly type: "finish" };

export interface Step {
  readonly state: EngineState;
  readonly commands: readonly Command[];
}
