// The checkpointer that keeps the modules of several rounds.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linear, sequential } from "@perennial-fl/module";
import { expect } from "chai";
import { RetainingTorchModuleCheckpointer, parametersSha256 } from "../src/index.js";
import type { Retention } from "../src/index.js";
import { temporaryDirectory } from "./temporary.js";

const moduleOf = (round: number) =>
  sequential([linear(2, 1)], { input: [2], seed: round }).withMetadata({ "perennial.round": String(round) });
const losses = [5, 2, 4, 3, 6];

async function offered(retention: Retention, directory = temporaryDirectory()) {
  const reports: string[] = [];
  const open = () =>
    new RetainingTorchModuleCheckpointer(directory, "model.onnx", retention, {
      report: (message) => reports.push(message),
    });
  const checkpointer = open();
  for (const [i, loss] of losses.entries()) await checkpointer.maybeCheckpoint(moduleOf(i + 1), loss, {});
  return { directory, checkpointer, open, reports };
}

describe("RetainingTorchModuleCheckpointer", () => {
  it("keeps the rounds that its policy names, each whole and under its number", async () => {
    const { checkpointer } = await offered({ first: true, last: 1, best: 1 });
    expect(await checkpointer.rounds()).to.deep.equal([1, 2, 5]);
    for (const round of [1, 2, 5]) {
      const { parameters } = await checkpointer.loadRound(round);
      expect(parametersSha256(parameters)).to.equal(parametersSha256(moduleOf(round).parameters));
    }
    expect((await checkpointer.loadCheckpoint()).metadata["perennial.round"]).to.equal("5");
  });

  it("goes on after a restart with the losses that its files hold", async () => {
    const { open } = await offered({ best: 2 });
    const again = open();
    expect(await again.rounds()).to.deep.equal([2, 4]);
    await again.maybeCheckpoint(moduleOf(6), 2.5, {});
    expect(await again.rounds()).to.deep.equal([2, 6]);
    await again.maybeCheckpoint(moduleOf(7), 9, {});
    expect(await again.rounds()).to.deep.equal([2, 6]);
  });

  it("replaces a round that is offered again, as it is after a crash", async () => {
    const { checkpointer } = await offered({ last: 2 });
    const other = sequential([linear(2, 1)], { input: [2], seed: 99 }).withMetadata({ "perennial.round": "5" });
    await checkpointer.maybeCheckpoint(other, 1, {});
    expect(await checkpointer.rounds()).to.deep.equal([4, 5]);
    const { parameters } = await checkpointer.loadRound(5);
    expect(parametersSha256(parameters)).to.equal(parametersSha256(other.parameters));
  });

  it("says that the loss of a damaged file cannot be read, and leaves the file to a person", async () => {
    const { directory, open, reports } = await offered({ last: 3, best: 1 });
    const path = join(directory, "model.round-4.onnx");
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    writeFileSync(path, bytes);
    const again = open();
    await again.maybeCheckpoint(moduleOf(6), 7, {});
    expect(reports.join()).to.contain("the loss of the module model.round-4.onnx cannot be read");
    expect(await again.rounds()).to.deep.equal([2, 4, 5, 6]);
  });

  it("numbers modules that have no round of their own", async () => {
    const checkpointer = new RetainingTorchModuleCheckpointer(temporaryDirectory(), "model", { last: 2 });
    const module = sequential([linear(2, 1)], { input: [2], seed: 1 });
    for (const loss of losses) await checkpointer.maybeCheckpoint(module, loss, {});
    expect(await checkpointer.rounds()).to.deep.equal([4, 5]);
  });
});
