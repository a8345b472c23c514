// Rounds without training: how long one takes and what it costs the server, ours against Flower's, the same clients on both.
import { runFlowers, runOurs } from "./federation.js";
import type { Reading, Setting } from "./federation.js";
import type { Benchmark, Contender, Effort, Measure, Readings } from "./harness.js";
import { pythonWith } from "./python.js";

interface Subject {
  readonly clients: number;
  readonly megabytes: number;
  readonly tls?: true;
  readonly rounds?: { readonly [E in Effort]: number };
  /** At most so much of Flower's. */
  readonly goals: { readonly seconds: number; readonly cpu?: number; readonly memory?: number };
}

const subjects: readonly Subject[] = [
  { clients: 10, megabytes: 100, goals: { seconds: 0.5, cpu: 0.25, memory: 0.04 }, rounds: { full: 5, quick: 3 } },
  { clients: 10, megabytes: 25, goals: { seconds: 0.55 } },
  { clients: 10, megabytes: 1, goals: { seconds: 0.8 }, rounds: { full: 20, quick: 10 } },
  { clients: 100, megabytes: 1, goals: { seconds: 0.5 } },
  { clients: 1000, megabytes: 0.01, goals: { seconds: 0.5 } },
  { clients: 10, megabytes: 25, tls: true, goals: { seconds: 0.65 } },
  { clients: 2, megabytes: 0.001, goals: { seconds: 1 }, rounds: { full: 100, quick: 30 } },
];

const defaultRounds = { full: 5, quick: 3 };

/** Every repetition starts new processes, and warms them up itself. */
const repeated = { warmUps: 0, repetitions: { full: 3, quick: 1 } };

const roundBenchmark = ({ clients, megabytes, tls, rounds = defaultRounds, goals }: Subject): Benchmark => {
  const settingOf = (effort: Effort): Setting => ({ clients, megabytes, rounds: rounds[effort], tls: tls ?? false });
  const measure = (name: string, unit: string, ratio: number | undefined): Measure => ({
    name,
    unit,
    ...(ratio === undefined ? {} : { goal: { ratio } }),
  });
  return {
    name: `round of ${clients} clients x ${sizeText(megabytes)}${tls ? " over TLS" : ""}`,
    measures: [
      measure("", "s", goals.seconds),
      measure("server CPU", "s", goals.cpu),
      measure("server peak memory", "MB", goals.memory),
      { name: "longest pause of the event loop", unit: "ms", goal: { value: 50 } },
    ],
    ...repeated,
    open: (effort) => contender(runOurs, (run) => run(settingOf(effort)).then(readingsOf)),
    peer: {
      name: "Flower",
      open: (effort) => flower((run) => run(settingOf(effort)).then(readingsOf)),
    },
  };
};

/** What each client beyond the first ten costs a server's memory. */
const memoryBenchmark: Benchmark = {
  name: "server memory per added client, 10 to 50 x 25 MB",
  measures: [{ name: "", unit: "MB", goal: { value: 1 } }],
  ...repeated,
  open: () => contender(runOurs, addedMemory),
  peer: { name: "Flower", open: () => flower(addedMemory) },
};

/** What it saves to make only whole rounds durable. */
const durabilityBenchmark = (megabytes: number): Benchmark => {
  const setting: Setting = { clients: 10, megabytes, rounds: 5, tls: false };
  const open = (durability: "result" | "round") => () =>
    contender(runOurs, (run) =>
      run({ ...setting, durability }).then(({ seconds, cpuSeconds }) => [seconds, cpuSeconds]),
    );
  return {
    name: `durable per round, 10 clients x ${sizeText(megabytes)}`,
    measures: [
      { name: "", unit: "s" },
      { name: "server CPU", unit: "s" },
    ],
    ...repeated,
    open: open("round"),
    peer: { name: "durable per result", open: open("result") },
  };
};

export const roundBenchmarks: readonly Benchmark[] = [
  ...subjects.map(roundBenchmark),
  memoryBenchmark,
  ...[1, 25].map(durabilityBenchmark),
];

type Run = (setting: Setting) => Promise<Reading>;

async function addedMemory(run: Run): Promise<Readings> {
  const peaks: number[] = [];
  for (const clients of [10, 50]) {
    peaks.push((await run({ clients, megabytes: 25, rounds: 2, tls: false })).peakMegabytes);
  }
  const [few = NaN, many = NaN] = peaks;
  return [(many - few) / 40];
}

function contender(run: Run, measure: (run: Run) => Promise<Readings>): Promise<Contender> {
  return Promise.resolve({ measure: () => measure(run), close: () => Promise.resolve() });
}

async function flower(measure: (run: Run) => Promise<Readings>): Promise<Contender> {
  await pythonWith("flwr");
  return contender(runFlowers, measure);
}

function readingsOf({ seconds, cpuSeconds, peakMegabytes, longestPauseMs }: Reading): Readings {
  return [seconds, cpuSeconds, peakMegabytes, ...(longestPauseMs === undefined ? [] : [longestPauseMs])];
}

function sizeText(megabytes: number): string {
  return megabytes >= 1 ? `${megabytes} MB` : `${megabytes * 1000} KB`;
}
