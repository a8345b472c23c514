// Measures our side and a peer's in turn, in one run, and keeps every reading.

/** One reading per measure of the benchmark, in the order of its measures. Less is better in all of them. */
export type Readings = readonly number[];

/** A side that is set up and ready to be measured again and again. */
export interface Contender {
  measure(): Promise<Readings>;
  close(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** Throws `NotInstalled` when this machine lacks what the peer needs. */
  open(effort: Effort): Promise<Contender>;
}

/** Why a peer cannot take part. Anything else that a peer throws is a failure of the benchmark. */
export class NotInstalled extends Error {}

/** `quick` is for seeing that everything runs; its figures are not to be quoted. */
export type Effort = "full" | "quick";

export interface Measure {
  /** Added to the benchmark's name; empty for the measure that the benchmark is named after. */
  readonly name: string;
  readonly unit: string;
  readonly goal?: Goal;
}

/** What we want to reach at most: of the peer's figure, or in the measure's own unit. */
export type Goal = { readonly ratio: number } | { readonly value: number };

export interface Benchmark {
  readonly name: string;
  readonly measures: readonly Measure[];
  /** Measured repetitions of each side, after those for warming up. */
  readonly repetitions: { readonly [E in Effort]: number };
  /** Repetitions of each side that are not counted. */
  readonly warmUps: number;
  readonly open: (effort: Effort) => Promise<Contender>;
  readonly peer: Peer;
}

/** One line of the result. The field names are those of `--json`. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  /** Medians. */
  readonly ours: number;
  readonly peer: number | null;
  readonly peerName: string;
  /** ours / peer: below 1, ours needs less. */
  readonly ratio: number | null;
  readonly goal: Goal | null;
  /** Every counted reading, in the order taken. */
  readonly runs: { readonly ours: readonly number[]; readonly peer: readonly number[] | null };
}

export interface Outcome {
  readonly rows: readonly Row[];
  /** Why the peer was not measured. */
  readonly peerMissing?: string;
}

/** `repetitions` takes the place of the benchmark's own number of counted ones. */
export async function runBenchmark(benchmark: Benchmark, effort: Effort, repetitions?: number): Promise<Outcome> {
  const opened: Contender[] = [];
  try {
    const peer = await openPeer(benchmark.peer, effort);
    if (typeof peer !== "string") opened.push(peer);
    const ours = await benchmark.open(effort);
    opened.push(ours);
    const turns = repetitions ?? benchmark.repetitions[effort];
    const taken = await interleave(benchmark.warmUps, turns, ours, typeof peer === "string" ? undefined : peer);
    const rows = benchmark.measures.map((measure, i) => rowOf(benchmark, measure, i, taken));
    return { rows, ...(typeof peer === "string" && { peerMissing: peer }) };
  } finally {
    for (const contender of opened) await contender.close();
  }
}

async function openPeer(peer: Peer, effort: Effort): Promise<Contender | string> {
  try {
    return await peer.open(effort);
  } catch (error) {
    if (error instanceof NotInstalled) return error.message;
    throw error;
  }
}

interface Taken {
  readonly ours: readonly Readings[];
  readonly peer: readonly Readings[] | undefined;
}

async function interleave(
  warmUps: number,
  repetitions: number,
  ours: Contender,
  peer: Contender | undefined,
): Promise<Taken> {
  const sides = [{ contender: ours, taken: [] as Readings[] }];
  if (peer) sides.push({ contender: peer, taken: [] });
  for (let repetition = -warmUps; repetition < repetitions; repetition++) {
    // The side that goes first changes, so that a machine that slows down or warms up favours neither.
    for (const { contender, taken } of repetition % 2 === 0 ? sides : sides.toReversed()) {
      const readings = await contender.measure();
      if (repetition >= 0) taken.push(readings);
    }
  }
  return { ours: sides[0]?.taken ?? [], peer: sides[1]?.taken };
}

function rowOf(benchmark: Benchmark, measure: Measure, index: number, taken: Taken): Row {
  const readingsOf = (side: readonly Readings[]): number[] => side.map((readings) => readings[index] ?? NaN);
  // A peer's reading may be one that only our side has an instrument for.
  const known = taken.peer?.every((readings) => readings[index] !== undefined) ?? false;
  const runs = { ours: readingsOf(taken.ours), peer: taken.peer && known ? readingsOf(taken.peer) : null };
  const ours = median(runs.ours);
  const peer = runs.peer && median(runs.peer);
  return {
    name: measure.name === "" ? benchmark.name : `${benchmark.name}, ${measure.name}`,
    unit: measure.unit,
    ours,
    peer,
    peerName: benchmark.peer.name,
    ratio: peer === null ? null : ours / peer,
    goal: measure.goal ?? null,
    runs,
  };
}

/** The middle of the values, or the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [below, above] = [sorted[sorted.length % 2 === 0 ? half - 1 : half] ?? NaN, sorted[half] ?? NaN];
  return (below + above) / 2;
}
