// Runs a federation of which one process is interfered with at one point after another, and is started again each time.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startClient } from "@perennial-fl/client";
import type { ClientEvent } from "@perennial-fl/client";
import { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import { loadServerState, startServer } from "@perennial-fl/server";
import type { ServerEvent } from "@perennial-fl/server";
import { inspect, isAcknowledgement } from "../kill/evidence.js";
import { clientIds } from "../kill/federation.js";
import type { Ending, Program } from "../kill/programs.js";
import { run } from "../kill/programs.js";
import { freePort } from "../support/free-port.js";
import { temporaryDirectory } from "../support/temporary.js";
import type { ClientTask } from "./client-program.js";
import { backoff, clientOf, optionsOf } from "./federation.js";
import type { Action, Arming } from "./points.js";
import type { Fired } from "./reach.js";
import type { ServerTask } from "./server-program.js";

export interface Interfered {
  /** Points that did what they were armed to do, in the order in which they did. */
  readonly fired: readonly string[];
  /** Everything that all servers said. */
  readonly said: readonly ServerEvent[];
  /** Questions that came to nothing, as the run's history has them: an event may have died with its server. */
  readonly failures: readonly string[];
  /** What the disk did not have after a death, though it was acknowledged. */
  readonly lost: readonly string[];
  /** From the start of a server's process until it had resumed, and until all clients were back, in milliseconds. */
  readonly upMs: readonly number[];
  readonly backMs: readonly number[];
}

type Line<Event> = Event | Fired;

const continueEveryMs = 100;

/** The server is the victim; its clients live in this process. */
export async function interfereWithServer(
  action: Action,
  points: readonly string[],
  rounds: number,
): Promise<Interfered> {
  const stateDir = directoryOf(temporaryDirectory(), "server");
  const address = `127.0.0.1:${await freePort()}`;
  const ending = new AbortController();
  const clients = clientIds.map((id) => liveHere(id, address, action, ending.signal));
  const fired: string[] = [];
  const said: ServerEvent[] = [];
  const lost: string[] = [];
  const [upMs, backMs]: [number[], number[]] = [[], []];
  try {
    for (;;) {
      const started = performance.now();
      const arming: Arming = { action, points: left(points, fired) };
      const task: ServerTask = { address, stateDir, rounds, arming };
      const server = run<Line<ServerEvent>>("../failpoints/server-program.js", task);
      const resumed = hears(server, "resumed", 1, started, upMs);
      const joined = hears(server, "client-joined", clientIds.length, started, backMs);
      const dead = await endOf(server);
      await Promise.all([resumed, joined]);
      const now = firedBy(server);
      const events = server.said.filter((line): line is ServerEvent => line.type !== "fired");
      fired.push(...now);
      said.push(...events);
      lost.push(...(await inspect(stateDir, said.filter(isAcknowledgement))));
      if (dead.code === 0 && events.some(({ type }) => type === "finished")) {
        await Promise.all(clients);
        return { fired, said, lost, failures: await failuresIn(stateDir), upMs, backMs };
      }
      if (now.length === 0) throw unexpected("the server", dead, left(points, fired)[0]);
    }
  } finally {
    ending.abort();
    await Promise.allSettled(clients);
  }
}

/** One client is the victim; the server and the other clients live in this process. */
export async function interfereWithClient(
  action: Action,
  points: readonly string[],
  rounds: number,
): Promise<Interfered> {
  const directory = temporaryDirectory();
  const address = `127.0.0.1:${await freePort()}`;
  const [victim, ...others] = clientIds;
  const stateDir = directoryOf(directory, victim);
  const serverDir = directoryOf(directory, "server");
  const ending = new AbortController();
  const said: ServerEvent[] = [];
  const fired: string[] = [];
  const server = startServer({
    ...optionsOf(serverDir, rounds),
    address,
    observe: (event) => said.push(event),
    signal: ending.signal,
  });
  const clients = others.map((id) => liveHere(id, address, action, ending.signal));
  try {
    for (;;) {
      const arming: Arming = { action, points: left(points, fired) };
      const task: ClientTask = { serverAddress: address, id: victim, stateDir, arming };
      const client = run<Line<ClientEvent>>("../failpoints/client-program.js", task);
      const dead = await endOf(client);
      const now = firedBy(client);
      fired.push(...now);
      // Sent home: the run is over.
      if (dead.code === 0) break;
      if (now.length === 0) throw unexpected("the client", dead, left(points, fired)[0]);
    }
    await Promise.all([server, ...clients]);
    return { fired, said, lost: [], failures: await failuresIn(serverDir), upMs: [], backMs: [] };
  } finally {
    ending.abort();
    await Promise.allSettled([server, ...clients]);
  }
}

const left = (points: readonly string[], fired: readonly string[]): string[] =>
  points.filter((point) => !fired.includes(point));

function liveHere(id: string, serverAddress: string, action: Action, signal: AbortSignal): Promise<void> {
  return startClient({ serverAddress, clientId: id, client: clientOf(id, action), backoff, signal });
}

/** Adds how long it took until the program had said so many lines of a type; nothing if it never did. */
async function hears(
  program: Program<{ readonly type: string }>,
  type: string,
  wanted: number,
  since: number,
  into: number[],
): Promise<void> {
  let count = 0;
  await program.hear((line) => line.type === type && ++count === wanted);
  if (count >= wanted) into.push(performance.now() - since);
}

/** Waits for the end of a program, and continues it whenever it has stopped itself. */
async function endOf<Said>(program: Program<Said>): Promise<Ending> {
  const timer = setInterval(() => {
    program.signal("SIGCONT");
  }, continueEveryMs);
  try {
    return await program.ended;
  } finally {
    clearInterval(timer);
  }
}

function firedBy(program: Program<{ readonly type: string }>): string[] {
  return program.said.flatMap((line) => (line.type === "fired" ? [(line as Fired).point] : []));
}

async function failuresIn(stateDir: string): Promise<string[]> {
  const saved = await loadServerState(new PerRoundStateCheckpointer(stateDir));
  return (saved?.durable.history ?? []).flatMap((record) =>
    (["fit", "evaluate"] as const).flatMap((phase) =>
      record[phase].failures.map(({ client }) => `${record.round} ${phase} ${client}`),
    ),
  );
}

function directoryOf(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path);
  return path;
}

function unexpected(who: string, { code, signal, stderr }: Ending, next: string | undefined): Error {
  const how = signal ?? `exit code ${code}`;
  return new Error(`${who} ended with ${how} and nothing fired; next was ${next ?? "nothing"}: ${stderr}`);
}
