// A power failure for everyone: server and clients die in the same instant, again and again, and all are started again.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { random } from "@perennial-fl/core";
import type { ServerEvent } from "@perennial-fl/server";
import { expect } from "chai";
import { freePort } from "../support/free-port.js";
import { temporaryDirectory } from "../support/temporary.js";
import type { ClientLine } from "./campaign.js";
import type { ClientTask } from "./client-program.js";
import { inspect, isAcknowledgement } from "./evidence.js";
import type { Acknowledged } from "./evidence.js";
import { checkpointDigests, clientIds, uninterrupted } from "./federation.js";
import { run } from "./programs.js";
import type { Program } from "./programs.js";
import type { ServerTask } from "./server-program.js";

const kills = Math.ceil(Number(process.env["KILLS"] ?? 15) / 5);
const seed = process.env["SEED"] ?? String(process.pid);
const rounds = 8;

describe(`server and clients killed as one group (SEED=${seed})`, () => {
  const running = new Set<Program<never>>();

  after(async () => {
    for (const program of running) program.signal("SIGKILL");
    await Promise.all([...running].map(({ ended }) => ended));
  });

  it("resume together: nothing acknowledged is lost, and every run ends with the bytes of an uninterrupted one", async function () {
    this.timeout(20_000 + 4_000 * kills);
    const expected = await uninterrupted(rounds);
    const draw = random("kill everyone", seed);
    let [killed, lookedUp, runs] = [0, 0, 0];
    for (; killed < kills; runs++) {
      const federation = await openFederation(`${seed}/${runs}`);
      const acknowledged: Acknowledged[] = [];
      for (let life = 0; ; life++) {
        const { server, clients } = federation.start(life);
        // At most six in one run: the later ones find it nearly done.
        const doomed = killed < kills && life < 6;
        if (doomed) await killAll([server, ...clients], draw.below(40), draw.below(12));
        const ending = await server.ended;
        acknowledged.push(...server.said.filter(isAcknowledgement));
        const finished = server.said.find((event) => event.type === "finished");
        if (ending.signal === "SIGKILL") {
          killed++;
          await Promise.all(clients.map(({ ended }) => ended));
          lookedUp += acknowledged.length;
          expect(await inspect(federation.stateDir, acknowledged), `after kill ${killed}`).to.deep.equal([]);
          continue;
        }
        expect(finished?.parametersSha256, ending.stderr).to.equal(expected.rounds.get(rounds));
        const { best, latest } = await checkpointDigests(federation.stateDir);
        expect({ best, latest }).to.deep.equal({ best: expected.best, latest: expected.latest });
        await Promise.all(clients.map(({ ended }) => ended));
        break;
      }
    }
    console.log(`    ${killed} kills of everyone in ${runs} runs; ${lookedUp} acknowledgements looked up on disk`);
    expect(lookedUp).to.be.greaterThan(0);
  });

  async function openFederation(name: string) {
    const directory = temporaryDirectory();
    const directoryOf = (who: string): string => join(directory, who);
    for (const who of ["server", ...clientIds]) mkdirSync(directoryOf(who));
    const address = `127.0.0.1:${await freePort()}`;
    const start = (life: number) => {
      const server = run<ServerEvent>("server-program.js", {
        address,
        stateDir: directoryOf("server"),
        rounds,
      } satisfies ServerTask);
      const clients = clientIds.map((id) =>
        run<ClientLine>("client-program.js", {
          serverAddress: address,
          id,
          stateDir: directoryOf(id),
          seed: `${name}/${life}`,
        } satisfies ClientTask),
      );
      for (const program of [server, ...clients]) running.add(program as Program<never>);
      return { server, clients };
    };
    return { start, stateDir: directoryOf("server") };
  }
});

/** All at once, `ms` after the first of them, the server, has said so many lines. */
async function killAll(
  programs: readonly [Program<ServerEvent>, ...Program<ClientLine>[]],
  lines: number,
  ms: number,
): Promise<void> {
  if (lines > 0) await programs[0].hear((_line, count) => count >= lines);
  await pause(ms);
  for (const program of programs) program.signal("SIGKILL");
}
