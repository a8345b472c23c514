// What can be said of durable files without changing them.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { float32 } from "@perennial-fl/core";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import { describePath } from "../src/inspect.js";
import { openRoundJournal } from "../src/journal.js";
import { parametersSha256 } from "../src/parameters.js";
import { PerRoundStateCheckpointer } from "../src/per-round-state-checkpointer.js";
import { BestLossTorchModuleCheckpointer } from "../src/score-checkpointers.js";
import { linearModule } from "./modules.js";
import { rejection, temporaryDirectory } from "./temporary.js";

describe("a description", () => {
  it("of a directory says what each file is, whether it is valid, and what it holds", async () => {
    const directory = temporaryDirectory();
    const module = linearModule(2, { "perennial.run": "r", "perennial.round": "3" });
    await new PerRoundStateCheckpointer(directory).saveCheckpoint("server", {
      run: "r",
      round: 3,
      parameters: module.parameters,
    });
    await new BestLossTorchModuleCheckpointer(directory, "best.onnx").maybeCheckpoint(module, 0.5, {});
    await (await openRoundJournal(directoryStorage(directory))).append([{ opened: 4 }]);
    writeFileSync(join(directory, "notes.txt"), "hello");
    writeFileSync(join(directory, "plain.onnx"), module.toBytes());
    const before = readdirSync(directory);

    const described = await describePath(directory);
    expect(readdirSync(directory)).to.deep.equal(before);
    if (described.kind !== "directory") expect.fail("a directory is described as one");
    const [best, notes, plain, journal, state] = described.files;
    const sha256 = parametersSha256(module.parameters);
    const known = { run: "r", round: 3, parametersSha256: sha256 };
    expect(best).to.deep.include({ kind: "module", format: "onnx", sealed: true, score: 0.5, loss: 0.5, ...known });
    expect(notes).to.include({ kind: "unknown" });
    expect(plain).to.include({ kind: "module", sealed: false, parametersSha256: sha256 });
    expect(journal).to.deep.include({ kind: "journal", entries: [{ opened: 4 }], torn: false });
    expect(state).to.deep.include({ kind: "state", generation: 1, ...known });
  });

  it("of nothing is an error", async () => {
    await rejection(describePath(join(temporaryDirectory(), "none")), "checkpoint/missing");
  });
});

describe("the digest of parameters", () => {
  it("is the SHA-256 of their little-endian bytes in order", () => {
    const expected = "b9c80b5adeca450753a16950c3cc655d271f7bef7a485bc83f112b72fef21d37";
    // sha256 of 00 00 80 3f 00 00 00 40, by coreutils' sha256sum.
    expect(parametersSha256([float32([1], [1]), float32([], [2])])).to.equal(expected);
    expect(parametersSha256([float32([1], [2]), float32([], [1])])).to.not.equal(expected);
  });
});
