// Rounds without training: how long one takes and what it costs the server, ours against Flower's, the same clients on both.
import { fileURLToPath } from "node:url";
import { median, NotInstalled } from "./harness.js";
import type { Benchmark, Contender, Effort, Readings } from "./harness.js";
import { startProcess } from "./process.js";
import type { Process } from "./process.js";
import { peerScript, pythonWith } from "./python.js";
import { makeScratch } from "./scratch.js";

const clients = 10;
/** The first rounds of a server are slower than the others, whoever's it is. */
const warmUpRounds = 1;

interface Subject {
  readonly megabytes: number;
  readonly rounds: { readonly [E in Effort]: number };
}

const subjects: readonly Subject[] = [
  { megabytes: 1, rounds: { full: 20, quick: 5 } },
  { megabytes: 25, rounds: { full: 5, quick: 3 } },
  { megabytes: 100, rounds: { full: 3, quick: 3 } },
];

export const roundBenchmarks: readonly Benchmark[] = subjects.map((subject) => ({
  name: `round of ${clients} clients x ${subject.megabytes} MB`,
  measures: [
    { name: "", unit: "s" },
    { name: "server CPU", unit: "s" },
    { name: "server peak memory", unit: "MB" },
  ],
  // Every repetition starts new processes, and warms them up itself.
  warmUps: 0,
  repetitions: { full: 3, quick: 1 },
  open: (effort) => openOurs(subject, effort),
  peer: { name: "Flower", open: (effort) => openFlower(subject, effort) },
}));

/** Starts a client of the server at this address. */
type StartClient = (address: string) => Process;

async function openOurs({ megabytes, rounds }: Subject, effort: Effort): Promise<Contender> {
  const startClient = await rawClient();
  const count = rounds[effort];
  return {
    async measure() {
      const scratch = await makeScratch();
      try {
        const server = ownProgram("rounds-server.js", scratch.path, megabytes, count + warmUpRounds, clients);
        return await measureRun(server, startClient, count);
      } finally {
        await scratch.remove();
      }
    },
    close: () => Promise.resolve(),
  };
}

async function openFlower({ megabytes, rounds }: Subject, effort: Effort): Promise<Contender> {
  const { command } = await pythonWith("flwr");
  const startClient = await rawClient();
  const count = rounds[effort];
  return {
    measure() {
      const numbers = [megabytes * 1e6, count + warmUpRounds, clients].map(String);
      return measureRun(startProcess(command, [peerScript("flower_server.py"), ...numbers]), startClient, count);
    },
    close: () => Promise.resolve(),
  };
}

/** The cheap Python client, or ours where Python has no gRPC: then there is no Flower to compare with either. */
async function rawClient(): Promise<StartClient> {
  try {
    const { command } = await pythonWith("grpcio");
    return (address) => startProcess(command, [peerScript("raw_client.py"), address]);
  } catch (error) {
    if (!(error instanceof NotInstalled)) throw error;
    return (address) => ownProgram("echo-client.js", address);
  }
}

function ownProgram(file: string, ...args: readonly (string | number)[]): Process {
  return startProcess(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args.map(String)]);
}

interface Timing {
  /** When each fit instruction was there, in seconds of the machine's monotonic clock. */
  readonly fits: readonly number[];
  readonly end: number;
}

/** Runs one federation to its end. Both servers are watched from outside, by the same instruments. */
async function measureRun(server: Process, startClient: StartClient, rounds: number): Promise<Readings> {
  const started = [server];
  try {
    const { address } = await server.said<{ address: string }>();
    const cpuBefore = await server.cpuSeconds();
    for (let i = 0; i < clients; i++) started.push(startClient(address));
    const timings = await Promise.all(started.slice(1).map((client) => client.said<Timing>()));
    const done = await server.said<{ rounds: number }>();
    if (done.rounds !== rounds + warmUpRounds) throw new Error(`a server did ${done.rounds} rounds`);
    const cpu = (await server.cpuSeconds()) - cpuBefore;
    const seconds = median(roundSeconds(timings, rounds + warmUpRounds).slice(warmUpRounds));
    return [seconds, cpu / (rounds + warmUpRounds), (await server.peakBytes()) / 1e6];
  } finally {
    for (const each of started) await each.end();
  }
}

/** A round lasts from its first fit instruction to that of the next: fit, evaluation, and all that lies between. */
function roundSeconds(timings: readonly Timing[], rounds: number): number[] {
  const begins = Array.from({ length: rounds }, (_, round) => {
    const times = timings.map(({ fits }) => fits[round]);
    if (times.includes(undefined)) throw new Error(`a client was not asked in round ${round + 1}`);
    return Math.min(...(times as number[]));
  });
  begins.push(Math.min(...timings.map(({ end }) => end)));
  return begins.slice(1).map((next, round) => next - (begins[round] ?? NaN));
}
