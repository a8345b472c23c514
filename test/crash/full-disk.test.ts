// A real disk that is really full: the last good contents stay, the error says where and how much, and all goes on as
// soon as there is room. The disk is a small tmpfs, so this needs Linux and the right to mount.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, rmdirSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  LatestTorchModuleCheckpointer,
  PerRoundStateCheckpointer,
  directoryStorage,
  openRoundJournal,
} from "@perennial-fl/checkpointer";
import type { RoundJournal } from "@perennial-fl/checkpointer";
import { float32, isFederationError, messageOf, pour } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { linear, sequential } from "@perennial-fl/module";
import { expect } from "chai";
import { startServer } from "@perennial-fl/server";
import type { ServerEvent } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { figure } from "../support/figures.js";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { toyClients } from "../support/toy-clients.js";

const KiB = 1024;
const stepBytes = 64 * KiB;
/** What one save writes, about; free space is stepped down from four times as much. */
const saveBytes = 256 * KiB;

const weights = (value: number): Tensor => float32([saveBytes / 4], new Float32Array(saveBytes / 4).fill(value));

interface Writer {
  readonly name: string;
  /** A process that goes on living: saves a value, or throws. */
  open(directory: string): Promise<(value: number) => Promise<void>>;
  /** The last value that a fresh process finds. */
  found(directory: string): Promise<number>;
}

const quiet = { report: (): void => undefined };
const module = sequential([linear(256, 256)], { input: [256], seed: 1 });

const writers: readonly Writer[] = [
  {
    name: "a state",
    open: (directory) => {
      const states = new PerRoundStateCheckpointer(directory, quiet);
      return Promise.resolve((value) => states.saveCheckpoint("state", { value, weights: weights(value) }));
    },
    async found(directory) {
      const states = new PerRoundStateCheckpointer(directory, { report: (line) => expect.fail(line) });
      return Number((await states.loadCheckpoint("state"))["value"]);
    },
  },
  {
    name: "a module",
    open: (directory) => {
      const latest = new LatestTorchModuleCheckpointer(directory, "latest.onnx", quiet);
      return Promise.resolve((value) =>
        latest.maybeCheckpoint(module.withMetadata({ "perennial.round": String(value) }), 0, {}),
      );
    },
    async found(directory) {
      const kept = await new LatestTorchModuleCheckpointer(directory, "latest.onnx").loadCheckpoint();
      return Number(kept.metadata["perennial.round"]);
    },
  },
  {
    name: "a result and its entry in the journal",
    async open(directory) {
      const journal = await openRoundJournal(directoryStorage(directory));
      return (value) => journalled(journal, value);
    },
    async found(directory) {
      const journal = await openRoundJournal(directoryStorage(directory));
      const last = journal.entries.at(-1);
      const result = await journal.stored(last?.["result"] ?? null);
      expect(result.read(0).data.at(-1)).to.equal(last?.["value"]);
      await journal.close();
      return Number(last?.["value"]);
    },
  },
];

/** Only the newest result is kept, so that free space depends on the ballast alone. */
async function journalled(journal: RoundJournal, value: number): Promise<void> {
  const sink = journal.openSink("client", undefined);
  try {
    const result = await pour([weights(value)], sink);
    await journal.append([{ value, result: await journal.reference(result) }]);
  } catch (error) {
    await sink.abort(error);
    throw error;
  }
}

describe("a full disk", () => {
  let mount: string | undefined;
  before(function () {
    const directory = mkdtempSync(join(tmpdir(), "perennial-full-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", directory], { stdio: "pipe" });
      mount = directory;
    } catch (error) {
      rmdirSync(directory);
      const reason = String(error).split("\n").filter(Boolean).at(-1);
      console.log(`    skipped: no small disk could be mounted (${String(reason)})`);
      this.skip();
    }
  });
  after(() => {
    if (mount === undefined) return;
    execFileSync("umount", [mount]);
    rmdirSync(mount);
  });

  for (const writer of writers) {
    it(`keeps the last good contents, and takes the next as soon as there is room, when saving ${writer.name}`, async () => {
      const directory = mount as string;
      for (const name of readdirSync(directory)) rmSync(join(directory, name));
      let save = await writer.open(directory);
      let [good, full] = [1, 0];
      await save(good);
      for (let free = 4 * saveBytes; free >= 0; free -= stepBytes) {
        fill(directory, free);
        const failure = await save(good + 1).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (failure === undefined) good++;
        else {
          full++;
          expect(isFederationError(failure), messageOf(failure)).to.equal(true);
          expect(messageOf(failure))
            .to.include(directory)
            .and.match(/ENOSPC/)
            .and.match(/\d+ bytes/);
        }
        expect(await writer.found(directory), `with ${free} bytes free`).to.equal(good);
        fill(directory, Infinity);
        await save(good + 1);
        good++;
        expect(await writer.found(directory), "once there is room").to.equal(good);
        expect(readdirSync(directory).filter((name) => name.startsWith(".tmp-"))).to.deep.equal([]);
        if (writer.name.startsWith("a result")) {
          const journal = await openRoundJournal(directoryStorage(directory));
          await journal.clear();
          save = await writer.open(directory);
          await save(good);
        }
      }
      figure("disk full", { steps: 4 * (saveBytes / stepBytes) + 1, full });
      expect(full, "the disk was full at times").to.be.greaterThan(2);
    });
  }

  it("does not open a round whose results would find no room, names the bytes, and is resumed once there is room", async () => {
    const directory = mount as string;
    for (const name of readdirSync(directory)) rmSync(join(directory, name));
    const model = sequential([linear(256, 256)], { input: [256], seed: 1 });
    const modelBytes = 4 * (256 * 256 + 256);
    const asked: string[] = [];
    const events: ServerEvent[] = [];
    const serve = () =>
      startServer({
        stateDir: directory,
        numRounds: 1,
        strategy: fedAvg({ minAvailableClients: 3 }),
        initialModel: model,
        observe: (event) => events.push(event),
        openFleet: (openSink) =>
          scriptedFleet({ clients: toyClients(3), openSink, arrival: 1, onAsked: (client) => asked.push(client) }),
        failpoint: (point) => {
          // Room for the state that a run begins with, and then not for three results.
          if (point === "before open" && asked.length === 0) fill(directory, 3 * modelBytes);
        },
      });
    const failure = await serve().catch((error: unknown) => error);
    expect(isFederationError(failure, "storage/full"), messageOf(failure)).to.equal(true);
    expect(messageOf(failure)).to.include(`round 1 needs ${4 * modelBytes} bytes in ${directory}, and `);
    expect(asked).to.deep.equal([]);
    fill(directory, Infinity);
    writeFileSync(join(directory, "ballast"), "");
    asked.push("there is room");
    expect(await serve()).to.include({ finished: true, round: 1 });
    const spaces = events.filter((event) => event.type === "space");
    expect(spaces.map(({ needed, free }) => free < needed)).to.deep.equal([true, false]);
  });
});

/** Leaves so many bytes free on the disk; with Infinity, all that can be. */
function fill(directory: string, free: number): void {
  const ballast = join(directory, "ballast");
  writeFileSync(ballast, "");
  const { bavail, bsize } = statfsSync(directory);
  const size = Math.max(0, bavail * bsize - free);
  if (free === Infinity) truncateSync(ballast, 0);
  else writeFileSync(ballast, new Uint8Array(size));
}
