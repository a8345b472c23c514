// One federation of server and client processes, watched from outside: the same instruments for our server and Flower's.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { median, NotInstalled } from "./harness.js";
import { startProcess } from "./process.js";
import type { Process } from "./process.js";
import { peerScript, pythonWith } from "./python.js";
import { makeScratch } from "./scratch.js";

/** What a federation does: so many clients, a model of so many megabytes, so many rounds that count. */
export interface Setting {
  readonly clients: number;
  readonly megabytes: number;
  readonly rounds: number;
  readonly tls: boolean;
  /** Of our server: whether each result or each round is made durable. Default: each result. */
  readonly durability?: "result" | "round";
}

/** What is read off a federation. */
export interface Reading {
  /** The median of the counted rounds. */
  readonly seconds: number;
  /** Of the server, user and system time per round. */
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
  /** The longest that the server's event loop was held up; only our server has one. */
  readonly longestPauseMs?: number;
}

/** The first rounds of a server are slower than the others, whoever's it is. */
const warmUpRounds = 1;

/** More streams than this in one client process would measure its interpreter's lock. */
const streamsPerProcess = 25;
const mostProcesses = 8;

const fixtures = new URL("../../../packages/transport/fixtures/", import.meta.url);
export const certificate = (name: "ca.pem" | "server.pem" | "server.key.pem"): Buffer =>
  readFileSync(new URL(name, fixtures));
const authority = fileURLToPath(new URL("ca.pem", fixtures));

/** A federation under our server, with its state on disk. */
export async function runOurs(setting: Setting): Promise<Reading> {
  const scratch = await makeScratch();
  try {
    const rounds = setting.rounds + warmUpRounds;
    const server = ownProgram("rounds-server.js", JSON.stringify({ ...setting, rounds, stateDir: scratch.path }));
    return await measureRun(server, setting);
  } finally {
    await scratch.remove();
  }
}

/** A federation under Flower's server. Throws {@link NotInstalled} where there is none. */
export async function runFlowers(setting: Setting): Promise<Reading> {
  const { command } = await pythonWith("flwr");
  const { clients, megabytes, rounds, tls } = setting;
  const numbers = [megabytes * 1e6, rounds + warmUpRounds, clients].map(String);
  const credentials = tls ? [fileURLToPath(fixtures)] : [];
  return measureRun(startProcess(command, [peerScript("flower_server.py"), ...numbers, ...credentials]), setting);
}

/** Starts a process of ours that speaks as `process.ts` says. */
export function ownProgram(file: string, ...args: readonly (string | number)[]): Process {
  return startProcess(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args.map(String)]);
}

interface Timing {
  /** When each fit instruction was there for the first of the process's clients, in seconds of the monotonic clock. */
  readonly fits: readonly number[];
  readonly end: number;
}

async function measureRun(server: Process, { clients, rounds, tls }: Setting): Promise<Reading> {
  const started = [server];
  try {
    const { address } = await server.said<{ address: string }>();
    const startClients = await clientStarter();
    const cpuBefore = await server.cpuSeconds();
    for (const streams of sharesOf(clients)) started.push(startClients(address, streams, tls));
    const timings = await Promise.all(started.slice(1).map((client) => client.said<Timing>()));
    const done = await server.said<{ rounds: number; longestPauseMs?: number }>();
    const all = rounds + warmUpRounds;
    if (done.rounds !== all) throw new Error(`a server did ${done.rounds} rounds`);
    return {
      seconds: median(roundSeconds(timings, all).slice(warmUpRounds)),
      cpuSeconds: ((await server.cpuSeconds()) - cpuBefore) / all,
      peakMegabytes: (await server.peakBytes()) / 1e6,
      ...(done.longestPauseMs === undefined ? {} : { longestPauseMs: done.longestPauseMs }),
    };
  } finally {
    for (const each of started) await each.end();
  }
}

/** A process for each of a few clients; of many, several share one. */
function sharesOf(clients: number): number[] {
  const processes = clients <= 10 ? clients : Math.min(mostProcesses, Math.ceil(clients / streamsPerProcess));
  return Array.from({ length: processes }, (_, i) => Math.floor((clients + i) / processes));
}

type StartClients = (address: string, streams: number, tls: boolean) => Process;

/** The cheap Python client, or ours where Python has no gRPC: then there is no Flower to compare with either. */
async function clientStarter(): Promise<StartClients> {
  try {
    const { command } = await pythonWith("grpcio");
    return (address, streams, tls) =>
      startProcess(command, [peerScript("raw_client.py"), address, String(streams), ...(tls ? [authority] : [])]);
  } catch (error) {
    if (!(error instanceof NotInstalled)) throw error;
    return (address, streams, tls) => ownProgram("echo-client.js", address, streams, ...(tls ? [authority] : []));
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
