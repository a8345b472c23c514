// What a strategy is: four pure choices and the plain data they remember.
import type {
  ClientId,
  Config,
  Metrics,
  Parameters,
  Phase,
  Random,
  Records,
  Saved,
  SavedState,
  StoredResult,
  TensorHeader,
} from "@perennial-fl/core";

import type { AggregationRule } from "./rules.js";

/** Who takes part. */
export interface Select {
  /** How many clients must be available before a round opens. */
  readonly minAvailable: number;
  /**
   * The cohort of a phase, out of at least `minAvailable` clients in order of their ids. An empty cohort skips the
   * phase. `random` is derived from seed, round and phase, so the same clients give the same cohort.
   */
  choose(available: readonly ClientId[], random: Random): readonly ClientId[];
  /** How many answers of a cohort of this size close the phase; the rest is surplus. Absent: all of them. */
  readonly closesAt?: (cohortSize: number) => number;
  /**
   * Whoever is free while the phase is open is asked too, and an update that was begun in an earlier round fills the
   * phase as well as one of this round: the round is a buffer (FedBuff).
   */
  readonly continuous?: true;
}

/** One client's accepted update. */
export interface Contribution {
  readonly client: ClientId;
  readonly result: StoredResult;
  /** From 1. */
  readonly numExamples: number;
  readonly metrics: Metrics;
  /** What came beside the model, by name, for a strategy with an {@link Exchange}; absent for a stock client. */
  readonly records?: { readonly [name: string]: StoredResult };
  /** The round whose model it was trained from, where that is an earlier one, and that model. */
  readonly stale?: { readonly round: number; readonly base: StoredResult };
}

/** Why an update that fits the model's schema cannot count all the same, in words; `undefined` when it can. */
export type Objection = (contribution: Contribution) => string | undefined;

/**
 * How updates combine. The contributions come in cohort order, never in order of arrival, and at least one comes.
 * Their tensors have the headers of the global model's and finite elements; read them one at a time.
 */
export interface Aggregate {
  (contributions: readonly Contribution[], current: Parameters, context: RoundContext): Parameters;
  /** Names the same aggregate as plain data, where it needs no more than a {@link PlainAggregate} is given. */
  readonly rule?: AggregationRule;
}

/** An aggregate that needs nothing but the updates and what kind of tensors the model has. */
export type PlainAggregate = (contributions: readonly Contribution[], current: readonly TensorHeader[]) => Parameters;

/** What else a round is about. */
export interface RoundContext {
  /** From 1. */
  readonly round: number;
  /** Derived from seed and round: the same after a restart. */
  readonly random: Random;
  /** The strategy's state before the round. */
  readonly state: Saved;
  readonly contributions: readonly Contribution[];
  /** How many clients were asked, whether or not they answered. */
  readonly asked: number;
}

/** How the global model moves towards an aggregate. Its whole memory is the state it is given and gives back. */
export interface Move<State extends Saved = Saved> {
  init(parameters: Parameters): State;
  update(aggregate: Parameters, state: State, current: Parameters, context: RoundContext): readonly [Parameters, State];
}

/** Named records that travel beside the model, to and from our own clients. A stock client gets and gives the model alone. */
export interface Exchange {
  /** What goes with a fit instruction: the same object for the same state, so that it is encoded once. */
  give(state: Saved): Records;
  /** The records that a fit answer must bring, each with the tensors of the model. */
  readonly take: readonly string[];
  /** What a stock client's missing records mean, in words. */
  readonly without: string;
}

/** What becomes of an update that comes after its round had closed, where it is not dropped. */
export interface LatePolicy {
  /** a of s(τ) = (1 + τ)^−a, by which an update is scaled whose model was τ rounds old. */
  readonly exponent: number;
}

/** A federated strategy. It remembers nothing itself, so a resumed run goes on as if nothing had happened. */
export interface Strategy<State extends Saved = Saved> {
  /** Name and every option that shapes the result. A run is only resumed under the plan it began with. */
  readonly plan: SavedState;
  readonly selectFit: Select;
  readonly selectEvaluate: Select;
  /** What a client is told with its instruction. */
  configure(round: number, phase: Phase, state: Saved, client: ClientId): Config;
  /** Whether so many answers out of so many asked make a round. If not, it is skipped and the model stays. */
  enough(answered: number, asked: number): boolean;
  /** Asked of every update before it is accepted, so that one which lacks what the strategy needs costs its client alone. */
  readonly objection?: Objection;
  /**
   * An update that came encoded, as one with the tensors of the model that its client was sent; or why it is none.
   * Absent: updates are taken as they come.
   */
  decode?(
    answer: { readonly update: StoredResult; readonly metrics: Metrics },
    current: Parameters,
  ): StoredResult | { readonly objection: string };
  readonly aggregate: Aggregate;
  readonly move: Move<State>;
  readonly exchange?: Exchange;
  /** Absent: what is late is dropped. */
  readonly late?: LatePolicy;
}
