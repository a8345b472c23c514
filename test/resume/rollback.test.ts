// A run taken back to a former round goes on from there, wherever the rollback itself is interrupted.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PerRoundStateCheckpointer, directoryStorage, parametersSha256 } from "@perennial-fl/checkpointer";
import type { Retention, Storage } from "@perennial-fl/checkpointer";
import { float32 } from "@perennial-fl/core";
import { archivedRounds, loadServerState, rollBack, startServer } from "@perennial-fl/server";
import type { ServerEvent } from "@perennial-fl/server";
import { fedAvg, withPrivacy } from "@perennial-fl/strategy";
import type { PrivateState } from "@perennial-fl/strategy";
import { expect } from "chai";
import { federation } from "../golden/federation.js";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { quickDirectory } from "../support/temporary.js";
import { toyClients } from "../support/toy-clients.js";

async function finishedRun(keepStates?: Retention) {
  const directory = quickDirectory();
  const { parameters } = await federation(directory, { ...(keepStates && { keepStates }) });
  return { directory, final: parametersSha256(parameters) };
}

const all = { every: 1 } as const;
const archived = (directory: string) => archivedRounds(directoryStorage(directory));
const stateOf = async (directory: string) => (await loadServerState(new PerRoundStateCheckpointer(directory)))?.durable;

describe("rolling back", () => {
  it("goes on from the round named, with other keys, to the same model", async () => {
    const { directory, final } = await finishedRun(all);
    const before = await stateOf(directory);
    const done = await rollBack(directory, 1);
    expect(done).to.deep.equal({ run: before?.run, from: 3, to: 1, attempt: 2 });
    expect(await stateOf(directory)).to.deep.include({ round: 1, attempt: 2, history: before?.history.slice(0, 1) });
    const asked: string[] = [];
    const again = await federation(directory, { keepStates: all, onAsked: (question) => asked.push(question) });
    expect(parametersSha256(again.parameters)).to.equal(final);
    expect(asked).to.have.length(12);
    for (const question of asked) expect(question).to.match(/^[23] 2 /);
  });

  it("gives up the states of later rounds, but for the one before the rollback", async () => {
    const { directory } = await finishedRun(all);
    await rollBack(directory, 1);
    expect(await archived(directory)).to.deep.equal([0, 1]);
    await rollBack(directory, 3);
    expect(await stateOf(directory)).to.deep.include({ round: 3, attempt: 3 });
  });

  it("reaches the beginning, and the round before the last without any archive", async () => {
    const { directory, final } = await finishedRun(all);
    await rollBack(directory, 0);
    expect(parametersSha256((await federation(directory)).parameters)).to.equal(final);
    const plain = await finishedRun();
    await rollBack(plain.directory, 2);
    expect(parametersSha256((await federation(plain.directory)).parameters)).to.equal(plain.final);
  });

  it("forgets what the open round had received", async () => {
    const directory = quickDirectory();
    await federation(directory, { keepStates: all, cutAfter: 8 }).catch(() => undefined);
    await rollBack(directory, 1);
    const events: ServerEvent[] = [];
    await federation(directory, { observe: (event) => events.push(event) });
    expect(events.find(({ type }) => type === "resumed")).to.deep.include({ round: 1, roundOpen: false, answered: [] });
    expect(events.filter(({ type }) => type === "warning")).to.deep.equal([]);
  });

  it("takes back no privacy that was spent", async () => {
    const stateDir = quickDirectory();
    const session = (numRounds: number) =>
      startServer({
        numRounds,
        strategy: withPrivacy(fedAvg({ minAvailableClients: 4 }), {
          noiseMultiplier: 1,
          clippingNorm: 1,
          population: 4,
        }),
        initialModel: [float32([2], [0, 0])],
        stateDir,
        keepStates: all,
        openFleet: (openSink) => scriptedFleet({ clients: toyClients(4), openSink, arrival: 1 }),
      });
    await session(3);
    await rollBack(stateDir, 1);
    await session(3);
    const { spendings } = (await stateOf(stateDir))?.strategyState as PrivateState;
    expect(spendings).to.deep.equal([{ sampleRate: 1, noiseMultiplier: 1, rounds: 5 }]);
  });

  it("refuses a round whose state is not kept, and names those that are", async () => {
    const { directory } = await finishedRun({ first: true, last: 1 });
    expect(await archived(directory)).to.deep.equal([0, 3]);
    const failure = await rollBack(directory, 1).catch((error: unknown) => error);
    expect(failure).to.include({ code: "argument/invalid" });
    expect(String(failure)).to.include("does not keep the state of round 1; it keeps 0, 2, 3");
  });

  it("sets a journal aside that cannot be read, and says so", async () => {
    const directory = quickDirectory();
    await federation(directory, { keepStates: all, cutAfter: 8 }).catch(() => undefined);
    const path = join(directory, "round-journal");
    const bytes = readFileSync(path);
    // Within the first record, so that it cannot be taken for an append that a power loss tore.
    bytes[40] = (bytes[40] as number) ^ 1;
    writeFileSync(path, bytes);
    const said: string[] = [];
    expect(await rollBack(directory, 1, { report: (message) => said.push(message) })).to.include({ to: 1 });
    expect(said).to.have.length(1);
    expect(said[0]).to.match(/round-journal.* is damaged.*; it was set aside as round-journal\.corrupt-1$/);
    expect(readdirSync(directory)).to.include("round-journal.corrupt-1").and.not.include("round-journal");
  });

  it("leaves nothing open, and fails with the error of its disk", async () => {
    const { directory } = await finishedRun(all);
    const disk = directoryStorage(directory);
    const failure = new Error("no such device");
    const failing: Storage = { ...disk, openLog: () => Promise.reject(failure) };
    expect(await rollBack(directory, 1, { storage: failing }).catch((error: unknown) => error)).to.equal(failure);
    let open = 0;
    const counting: Storage = {
      ...disk,
      async openLog(name) {
        const log = await disk.openLog(name);
        open++;
        const close = () => log.close().finally(() => open--);
        return {
          records: log.records,
          append: (at, record) => log.append(at, record),
          clear: () => log.clear(),
          close,
        };
      },
    };
    expect(await rollBack(directory, 0, { storage: counting })).to.include({ from: 1, to: 0 });
    expect(open).to.equal(0);
  });

  it("refuses a directory without a run, and changes nothing", async () => {
    const directory = quickDirectory();
    expect(await rollBack(directory, 1).catch((error: unknown) => error)).to.include({ code: "resume/nothing" });
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it("leaves a run that goes on to the same model, wherever it is cut", async () => {
    let cuts = 0;
    for (let at = 0; ; at++) {
      const directory = quickDirectory();
      const { parameters } = await federation(directory, { keepStates: all });
      // An open round of the future, so that there is a journal to forget.
      await rollBack(directory, 2);
      await federation(directory, { keepStates: all, cutAfter: 2 }).catch(() => undefined);
      const whole = await rollBack(directory, 0, { storage: cutting(directoryStorage(directory), at) }).catch(
        (error: unknown) => error,
      );
      const again = await federation(directory);
      expect(parametersSha256(again.parameters), `cut at ${at}`).to.equal(parametersSha256(parameters));
      if (!(whole instanceof Error)) break;
      cuts++;
    }
    expect(cuts).to.be.at.least(4);
  });
});

/** A storage whose owner dies before its change number `at`. */
function cutting(storage: Storage, at: number): Storage {
  let changes = 0;
  const tick = (): void => {
    if (changes++ >= at) throw new Error("killed");
  };
  return {
    ...storage,
    async replace(...given) {
      tick();
      await storage.replace(...given);
    },
    async remove(name) {
      tick();
      await storage.remove(name);
    },
    async removeBlobs(names) {
      tick();
      await storage.removeBlobs(names);
    },
    async openLog(name) {
      const log = await storage.openLog(name);
      return {
        records: log.records,
        append: (position, record) => log.append(position, record),
        close: () => log.close(),
        async clear() {
          tick();
          await log.clear();
        },
      };
    },
  };
}
