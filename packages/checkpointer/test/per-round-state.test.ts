// The per-round state: two generations, and what happens when they are damaged.
import { mkdirSync, readFileSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SavedState } from "@perennial-fl/core";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import type { Disk } from "../src/disk.js";
import { nodeDisk } from "../src/node-disk.js";
import { PerRoundStateCheckpointer } from "../src/per-round-state-checkpointer.js";
import { writeSafetensors } from "../src/safetensors.js";
import { joined } from "../src/joined.js";
import type { StateFile } from "../src/state-file.js";
import { decodeState } from "../src/state-file.js";
import { rejection, temporaryDirectory } from "./temporary.js";

interface Opened {
  readonly states: PerRoundStateCheckpointer;
  readonly reports: string[];
}

function open(directory: string): Opened {
  const reports: string[] = [];
  return { states: new PerRoundStateCheckpointer(directory, { report: (line) => reports.push(line) }), reports };
}

async function directoryWith(...rounds: number[]): Promise<string> {
  const directory = temporaryDirectory();
  const { states } = open(directory);
  for (const round of rounds) await states.saveCheckpoint("server", { round });
  return directory;
}

/** The newest generation and the one before it, as they lie on the disk. */
function generationsIn(directory: string): readonly [StateFile, StateFile] {
  const read = (name: string): StateFile => decodeState(readFileSync(join(directory, name)), name);
  return [read("server"), read("server.previous")];
}

function damage(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 3]! ^= 4;
  writeFileSync(path, bytes);
}

describe("the per-round state", () => {
  it("is the dictionary that was last saved under the name", async () => {
    const directory = await directoryWith(1, 2, 3);
    const { states, reports } = open(directory);
    expect(await states.checkpointExists("server")).to.be.true;
    expect(await states.loadCheckpoint("server")).to.deep.equal({ round: 3 });
    expect(readdirSync(directory).sort()).to.deep.equal(["server", "server.previous"]);
    expect(reports).to.be.empty;
  });

  it("chains its generations by number and digest, across restarts", async () => {
    const directory = await directoryWith(1, 2);
    await open(directory).states.saveCheckpoint("server", { round: 3 });
    const [current, previous] = generationsIn(directory);
    expect([current.generation, previous.generation]).to.deep.equal([3, 2]);
    expect(current.previousDigest).to.equal(previous.digest);
  });

  it("counts on from what is on the disk after a save of which nobody knows whether it is durable", async () => {
    const directory = temporaryDirectory();
    let failing = false;
    const syncDirectory: Disk["syncDirectory"] = (path) =>
      failing ? Promise.reject(new Error("EIO")) : nodeDisk.syncDirectory(path);
    const storage = directoryStorage(directory, { disk: { ...nodeDisk, syncDirectory } });
    const states = new PerRoundStateCheckpointer(directory, { storage });
    await states.saveCheckpoint("server", { round: 1 });
    failing = true;
    await rejection(states.saveCheckpoint("server", { round: 2 }), "checkpoint/save-failed");
    failing = false;
    await states.saveCheckpoint("server", { round: 3 });
    const [current, previous] = generationsIn(directory);
    expect([current.state, previous.state]).to.deep.equal([{ round: 3 }, { round: 2 }]);
    expect([current.generation, previous.generation]).to.deep.equal([3, 2]);
    expect(current.previousDigest).to.equal(previous.digest);
  });

  it("comes from the generation before when the newest is damaged, which is set aside and reported", async () => {
    const directory = await directoryWith(1, 2);
    damage(join(directory, "server"));
    const { states, reports } = open(directory);
    expect(await states.loadCheckpoint("server")).to.deep.equal({ round: 1 });
    expect(reports).to.have.lengthOf(1);
    expect(reports[0]).to.match(/server is damaged.*set aside as server\.corrupt-1.*generation before it is used/);
    await states.saveCheckpoint("server", { round: 2 });
    expect(reports, "said once").to.have.lengthOf(1);
    expect(await open(directory).states.loadCheckpoint("server")).to.deep.equal({ round: 2 });
  });

  it("is the newest when the one before it is damaged, which is reported and left where it is", async () => {
    const directory = await directoryWith(1, 2);
    damage(join(directory, "server.previous"));
    const { states, reports } = open(directory);
    expect(await states.loadCheckpoint("server")).to.deep.equal({ round: 2 });
    expect(reports).to.have.lengthOf(1);
    expect(reports[0]).to.match(/server\.previous is damaged.*the generation after it is whole, and is used$/);
    expect(readdirSync(directory).sort()).to.deep.equal(["server", "server.previous"]);
  });

  it("gives the generation before the newest where it is whole, and sets nothing aside where it is not", async () => {
    const directory = await directoryWith(1, 2);
    expect(await open(directory).states.loadPreviousCheckpoint("server")).to.deep.equal({ round: 1 });
    damage(join(directory, "server.previous"));
    const { states, reports } = open(directory);
    expect(await states.loadPreviousCheckpoint("server")).to.equal(undefined);
    expect(readdirSync(directory).sort()).to.deep.equal(["server", "server.previous"]);
    expect(reports).to.be.empty;
    expect(await open(temporaryDirectory()).states.loadPreviousCheckpoint("server")).to.equal(undefined);
  });

  for (const first of ["a load", "a save"]) {
    it(`is read from the disk by ${first}, and by no save after it`, async () => {
      const directory = await directoryWith(1);
      let readings = 0;
      const disk: Disk = { ...nodeDisk, open: (path, access) => (readings++, nodeDisk.open(path, access)) };
      const states = new PerRoundStateCheckpointer(directory, { storage: directoryStorage(directory, { disk }) });
      if (first === "a load") await states.loadCheckpoint("server");
      else await states.saveCheckpoint("server", { round: 2 });
      for (const round of [3, 4]) await states.saveCheckpoint("server", { round });
      expect(readings).to.equal(1);
    });
  }

  it("is saved after what a killed save left of it has been removed", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, ".tmp-0123456789abcdef-server"), "half");
    await open(directory).states.saveCheckpoint("server", { round: 1 });
    expect(readdirSync(directory)).to.deep.equal(["server"]);
  });

  it("warns the process of damage where nobody takes reports", async () => {
    const directory = await directoryWith(1, 2);
    damage(join(directory, "server"));
    const warnings: unknown[][] = [];
    const original = Object.getOwnPropertyDescriptor(process, "emitWarning") as PropertyDescriptor;
    process.emitWarning = (...warning: unknown[]) => void warnings.push(warning);
    try {
      await new PerRoundStateCheckpointer(directory).loadCheckpoint("server");
    } finally {
      Object.defineProperty(process, "emitWarning", original);
    }
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]?.[0]).to.contain("server is damaged");
    expect(warnings[0]?.[1]).to.equal("CheckpointWarning");
  });

  it("comes from the generation before when a crash fell between the two renames", async () => {
    const directory = await directoryWith(1, 2);
    renameSync(join(directory, "server"), join(directory, "server.previous"));
    const { states, reports } = open(directory);
    expect(await states.checkpointExists("server")).to.be.true;
    expect(await states.loadCheckpoint("server")).to.deep.equal({ round: 2 });
    expect(reports.join()).to.contain("server is missing; the generation before it is used");
  });

  it("does not let a damaged newest generation push out the valid one before it", async () => {
    const directory = await directoryWith(1, 2);
    damage(join(directory, "server"));
    await open(directory).states.saveCheckpoint("server", { round: 3 });
    expect(decodeState(readFileSync(join(directory, "server.previous")), "previous").state).to.deep.equal({ round: 1 });
  });

  it("is refused when both generations are damaged, and both are named", async () => {
    const directory = await directoryWith(1, 2);
    damage(join(directory, "server"));
    damage(join(directory, "server.previous"));
    // Twice: a supervisor that starts again must not find an empty directory and begin a new run.
    for (let attempt = 1; attempt <= 2; attempt++) {
      const { message } = await rejection(open(directory).states.loadCheckpoint("server"), "checkpoint/corrupt");
      expect(message).to.contain("/server is damaged").and.to.contain("/server.previous is damaged");
      expect(await open(directory).states.checkpointExists("server")).to.be.true;
    }
  });

  it("is set aside and not destroyed when a save goes over two damaged generations", async () => {
    const directory = await directoryWith(1, 2);
    damage(join(directory, "server"));
    damage(join(directory, "server.previous"));
    const { states, reports } = open(directory);
    await states.saveCheckpoint("server", { round: 3 });
    expect(readdirSync(directory).sort()).to.deep.equal(["server", "server.corrupt-1", "server.previous.corrupt-1"]);
    expect(reports).to.have.length(2);
    const { generation, previousDigest } = decodeState(readFileSync(join(directory, "server")), "server");
    expect({ generation, previousDigest }, "counted anew").to.deep.equal({ generation: 1, previousDigest: "" });
  });

  it("may lie in a directory that is named through a symbolic link", async () => {
    const [directory, elsewhere] = [temporaryDirectory(), temporaryDirectory()];
    symlinkSync(directory, join(elsewhere, "link"));
    await open(join(elsewhere, "link")).states.saveCheckpoint("server", { round: 1 });
    expect(readdirSync(directory)).to.deep.equal(["server"]);
  });

  it("is missing, with a message, when nothing was saved", async () => {
    const directory = temporaryDirectory();
    const { states } = open(directory);
    expect(await states.checkpointExists("server")).to.be.false;
    const { message } = await rejection(states.loadCheckpoint("server"), "checkpoint/missing");
    expect(message).to.equal(`there is no state at ${join(directory, "server")}`);
  });

  it("is not a directory of that name", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "server"));
    const { states } = open(directory);
    expect(await states.checkpointExists("server")).to.be.false;
    const { message } = await rejection(states.loadCheckpoint("server"), "checkpoint/missing");
    expect(message).to.contain("is a directory, not a checkpoint");
    await rejection(states.saveCheckpoint("server", {}), "checkpoint/save-failed");
  });

  it("of a later version is neither loaded, nor set aside, nor overwritten", async () => {
    const directory = temporaryDirectory();
    const later = joined(writeSafetensors(new Map(), { "perennial.kind": "state", "perennial.schema": "9" }).pieces);
    writeFileSync(join(directory, "server"), later);
    const { states } = open(directory);
    await rejection(states.loadCheckpoint("server"), "checkpoint/newer-version");
    await rejection(states.saveCheckpoint("server", {}), "checkpoint/save-failed");
    expect(readFileSync(join(directory, "server"))).to.deep.equal(Buffer.from(later));
  });

  it("stays as it was when a value cannot be saved", async () => {
    const directory = await directoryWith(1);
    const { states } = open(directory);
    const bad = { fn: () => 0 } as unknown as SavedState;
    await rejection(states.saveCheckpoint("server", bad), "checkpoint/unsupported-value");
    expect(await states.loadCheckpoint("server")).to.deep.equal({ round: 1 });
  });

  it("is saved in the order of the calls", async () => {
    const { states } = open(temporaryDirectory());
    await Promise.all([1, 2, 3, 4].map((round) => states.saveCheckpoint("server", { round })));
    expect(await states.loadCheckpoint("server")).to.deep.equal({ round: 4 });
  });

  it("cannot leave its directory", async () => {
    const { states } = open(temporaryDirectory());
    for (const name of ["../x", "/abs", "a/b", "x.previous"]) {
      await rejection(states.checkpointExists(name), "checkpoint/name");
      await rejection(states.loadCheckpoint(name), "checkpoint/name");
      await rejection(states.loadPreviousCheckpoint(name), "checkpoint/name");
      await rejection(states.saveCheckpoint(name, {}), "checkpoint/name");
    }
  });
});
