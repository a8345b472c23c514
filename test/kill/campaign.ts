// One run of the federation in real processes that are killed at seeded instants until the plan is fulfilled.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { ClientEvent } from "@perennial-fl/client";
import { random } from "@perennial-fl/core";
import type { ServerEvent } from "@perennial-fl/server";
import { freePort } from "../support/free-port.js";
import { temporaryDirectory } from "../support/temporary.js";
import type { ClientTask } from "./client-program.js";
import { inspect, isAcknowledgement, isAlarming } from "./evidence.js";
import type { Acknowledged } from "./evidence.js";
import { checkpointDigests, clientIds } from "./federation.js";
import type { Digests } from "./federation.js";
import { run } from "./programs.js";
import type { Ending, Program } from "./programs.js";
import type { ServerTask } from "./server-program.js";

export interface CampaignOptions {
  readonly seed: string;
  readonly rounds: number;
  /** At most so many; fewer when the run is over before. */
  readonly serverKills: number;
  readonly clientKills: number;
}

export interface CampaignResult {
  readonly serverKills: number;
  readonly clientKills: number;
  /** Acknowledgements that were looked up on the disk after a kill, over all kills. */
  readonly lookedUp: number;
  /** Kills that found a round open with at least one result accepted. */
  readonly midRound: number;
  /** What the servers said that they committed, and the checkpoints that are there at the end. */
  readonly digests: Digests;
  /** What the last server said at the end. */
  readonly final: string;
  /** Everything that should not be: what was lost, damaged, trained twice, or said as a warning. */
  readonly wrong: readonly string[];
}

/** What a client program says: the client's own events, and each training that it completed. */
export type ClientLine = ClientEvent | { readonly type: "trained"; readonly round: number };

/** Runs a federation to its end. No process outlives the returned promise. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const directory = temporaryDirectory();
  const address = `127.0.0.1:${await freePort()}`;
  const stage: Stage = { options, directory, address, tally: newTally(), programs: new Set(), over: false };
  try {
    const clients = clientIds.map((id, index) => clientLives(stage, id, shareOf(options.clientKills, index)));
    const [final] = await Promise.all([serverLives(stage), ...clients]);
    const { committed, ...tally } = stage.tally;
    const digests = { rounds: committed, ...(await checkpointDigests(join(directory, "server"))) };
    return { ...tally, final, digests };
  } finally {
    await end(stage);
  }
}

/** What is counted while a campaign goes on. */
type Tally = ReturnType<typeof newTally>;

function newTally() {
  const committed = new Map<number, string>();
  const wrong: string[] = [];
  return { serverKills: 0, clientKills: 0, lookedUp: 0, midRound: 0, committed, wrong };
}

interface Stage {
  readonly options: CampaignOptions;
  readonly directory: string;
  readonly address: string;
  readonly tally: Tally;
  readonly programs: Set<Program<never>>;
  over: boolean;
}

/** Server after server over one state directory, each killed, until one fulfils the plan; gives its last digest. */
async function serverLives(stage: Stage): Promise<string> {
  const { options, address, tally } = stage;
  const stateDir = directoryOf(stage, "server");
  const draw = random("kill the server", options.seed);
  const acknowledged: Acknowledged[] = [];
  for (;;) {
    const server = start<ServerEvent>(stage, "server-program.js", {
      address,
      stateDir,
      rounds: options.rounds,
    } satisfies ServerTask);
    const doomed = tally.serverKills < options.serverKills;
    if (doomed) await killAfter(server, draw.below(24), draw.below(12));
    const ending = await server.ended;
    acknowledged.push(...server.said.filter(isAcknowledgement));
    note(tally, server.said);
    const finished = server.said.find((event) => event.type === "finished");
    if (ending.signal !== "SIGKILL") {
      if (finished === undefined) throw unexpected("the server", ending);
      stage.over = true;
      return finished.parametersSha256;
    }
    tally.serverKills++;
    tally.lookedUp += acknowledged.length;
    const last = acknowledged.at(-1);
    if (last?.type === "result-accepted") tally.midRound++;
    for (const problem of await inspect(stateDir, acknowledged)) {
      tally.wrong.push(`after kill ${tally.serverKills} of the server: ${problem}`);
    }
    // The run goes on over a directory that has lost something; what follows would only hide it.
    if (tally.wrong.length > 0) throw new Error(tally.wrong.join("\n"));
  }
}

/** Life after life of one client, each but the last cut short, until the server sends it home. */
async function clientLives(stage: Stage, id: string, kills: number): Promise<void> {
  const { options, address, tally } = stage;
  const stateDir = directoryOf(stage, id);
  const draw = random("kill a client", options.seed, id);
  const answered = new Set<number>();
  for (let life = 0; !isOver(stage); life++) {
    const client = start<ClientLine>(stage, "client-program.js", {
      serverAddress: address,
      id,
      stateDir,
      seed: `${options.seed}/${life}`,
    } satisfies ClientTask);
    const doomed = life < kills;
    if (doomed) await killAfter(client, 3 + draw.below(24), draw.below(12));
    const ending = await client.ended;
    tally.wrong.push(...repeated(id, client.said, answered));
    if (ending.signal === "SIGKILL") {
      if (!isOver(stage)) tally.clientKills++;
    } else if (ending.code === 0 || isOver(stage)) {
      // One that was away at the end gives up some time after its server has gone.
      return;
    } else {
      throw unexpected(`the client ${id}`, ending);
    }
  }
}

/** Asked anew after every wait: a property would be taken to be what it was before. */
function isOver(stage: Stage): boolean {
  return stage.over;
}

/** Trainings for rounds whose answer this client had already given: it must have been in its store. */
function repeated(id: string, said: readonly ClientLine[], answered: Set<number>): string[] {
  const wrong: string[] = [];
  for (const line of said) {
    if (line.type === "answered" && line.question === "fit" && line.key) answered.add(line.key.round);
    if (line.type === "trained" && answered.has(line.round)) wrong.push(`${id} trained again for round ${line.round}`);
    const bad = line.type === "failed" || (line.type === "warning" && isAlarming(line.message));
    if (bad) wrong.push(`${id}: ${line.message}`);
  }
  return wrong;
}

function note(tally: Tally, said: readonly ServerEvent[]): void {
  for (const event of said) {
    if (event.type === "round-committed") {
      const before = tally.committed.get(event.round);
      if (before !== undefined) tally.wrong.push(`round ${event.round} was committed twice`);
      tally.committed.set(event.round, event.parametersSha256);
    }
    const failed = event.type === "client-failed" || event.type === "checkpoint-failed";
    if (failed || (event.type === "warning" && isAlarming(event.message))) {
      tally.wrong.push(`the server: ${event.message}`);
    }
  }
}

/** Kills a program `ms` after it has said so many lines. */
async function killAfter<Line>(program: Program<Line>, lines: number, ms: number): Promise<void> {
  if (lines > 0) await program.hear((_line, count) => count >= lines);
  await pause(ms);
  program.signal("SIGKILL");
}

function start<Line>(stage: Stage, script: string, task: object): Program<Line> {
  const program = run<Line>(script, task);
  stage.programs.add(program as Program<never>);
  return program;
}

async function end(stage: Stage): Promise<void> {
  stage.over = true;
  for (const program of stage.programs) program.signal("SIGKILL");
  await Promise.all([...stage.programs].map(({ ended }) => ended));
}

function directoryOf(stage: Stage, name: string): string {
  const path = join(stage.directory, name);
  mkdirSync(path);
  return path;
}

/** Of `total` kills, how many the client with this index gets. */
function shareOf(total: number, index: number): number {
  return Math.floor(total / clientIds.length) + (index < total % clientIds.length ? 1 : 0);
}

function unexpected(who: string, { code, signal, stderr }: Ending): Error {
  return new Error(`${who} ended with ${signal ?? `exit code ${code}`}: ${stderr}`);
}
