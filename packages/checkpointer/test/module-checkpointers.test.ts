// Which module a checkpointer keeps, and what its file says.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Metrics } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import { memoryStorage } from "../src/memory-storage.js";
import { joined } from "../src/joined.js";
import { decodeModule, encodeModule } from "../src/module-file.js";
import type { TorchModuleCheckpointer } from "../src/module-checkpointer.js";
import { readSafetensors } from "../src/safetensors.js";
import {
  BestLossTorchModuleCheckpointer,
  FunctionTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
} from "../src/score-checkpointers.js";
import type { Storage } from "../src/storage.js";
import { linearModule, valueOf } from "./modules.js";
import { rejection, temporaryDirectory } from "./temporary.js";

describe("the best module", () => {
  const table: readonly { scores: readonly number[]; maximize?: boolean; kept: number; because: string }[] = [
    { scores: [3, 1, 2], kept: 1, because: "the least loss is the best" },
    { scores: [3, 1, 2], maximize: true, kept: 0, because: "the greatest is the best when maximizing" },
    { scores: [5], kept: 0, because: "the first module is kept" },
    { scores: [1, 1, 1], kept: 0, because: "a tie keeps the older" },
    { scores: [0, 5, 9], kept: 0, because: "0 is a score when minimizing" },
    { scores: [0, -5], maximize: true, kept: 0, because: "0 is a score when maximizing" },
    { scores: [0, -1, 3], kept: 1, because: "less than 0 is better than 0" },
    { scores: [NaN, 1, 0.1], kept: 2, because: "NaN at first does not block" },
    { scores: [1, NaN], kept: 0, because: "NaN is never best" },
    { scores: [NaN, 2, NaN, 1, NaN], maximize: true, kept: 1, because: "NaN does not block when maximizing" },
    { scores: [Infinity, 7], kept: 1, because: "a finite loss is better than an infinite one" },
    { scores: [-Infinity, 7], kept: 0, because: "nothing is less than minus infinity" },
    { scores: [-0, 0], kept: 0, because: "-0 and 0 are a tie" },
  ];
  for (const { scores, maximize = false, kept, because } of table) {
    for (const restarted of [false, true]) {
      it(`of ${scores.join(", ")} is number ${kept}: ${because}${restarted ? ", with a restart each time" : ""}`, async () => {
        const directory = temporaryDirectory();
        const open = (): FunctionTorchModuleCheckpointer =>
          new FunctionTorchModuleCheckpointer(directory, "best.onnx", (_, { score }) => Number(score), maximize);
        let checkpointer = open();
        for (const [number, score] of scores.entries()) {
          if (restarted) checkpointer = open();
          await checkpointer.maybeCheckpoint(linearModule(number), 0, { score });
        }
        expect(valueOf(await checkpointer.loadCheckpoint())).to.equal(kept);
      });
    }
  }

  it("is none, and no file, when all scores are NaN", async () => {
    const directory = temporaryDirectory();
    const best = new BestLossTorchModuleCheckpointer(directory, "best.onnx");
    await best.maybeCheckpoint(linearModule(1), NaN, {});
    expect(readdirSync(directory)).to.be.empty;
    expect(best.bestScore).to.be.undefined;
  });

  it("is found among concurrent offers, one after another in the order of the calls", async () => {
    const storage = memoryStorage();
    let saving = 0;
    const offered: number[] = [];
    const replace: Storage["replace"] = async (name, bytes) => {
      expect(++saving, "saves at one time").to.equal(1);
      offered.push(decodeModule(joined(bytes), name).record?.loss ?? NaN);
      await storage.replace(name, bytes);
      saving--;
    };
    const best = new BestLossTorchModuleCheckpointer("there", "best.onnx", { storage: { ...storage, replace } });
    await Promise.all([4, 2, 3, 1, 5].map((loss) => best.maybeCheckpoint(linearModule(loss), loss, {})));
    expect(offered).to.deep.equal([4, 2, 1]);
    expect(valueOf(await best.loadCheckpoint())).to.equal(1);
    expect(best.bestScore).to.equal(1);
  });

  it("is not kept when its score function throws or gives no number, and the next one is", async () => {
    const directory = temporaryDirectory();
    const scored = new FunctionTorchModuleCheckpointer(directory, "best.onnx", (_, metrics) => {
      if (metrics["fail"] === true) throw new RangeError("no such metric");
      return metrics["accuracy"] as number;
    });
    const error: unknown = await scored.maybeCheckpoint(linearModule(1), 0, { fail: true }).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(RangeError);
    const { message } = await rejection(scored.maybeCheckpoint(linearModule(1), 0, {}), "argument/invalid");
    expect(message).to.contain("the score function gave undefined");
    await scored.maybeCheckpoint(linearModule(2), 0, { accuracy: 0 });
    expect(valueOf(await scored.loadCheckpoint())).to.equal(2);
  });

  it("is set aside when it is damaged, which is reported, and is then no best", async () => {
    const directory = temporaryDirectory();
    await new BestLossTorchModuleCheckpointer(directory, "best.onnx").maybeCheckpoint(linearModule(1), 1, {});
    const file = readFileSync(join(directory, "best.onnx"));
    file[20]! ^= 1;
    writeFileSync(join(directory, "best.onnx"), file);
    const reports: string[] = [];
    const best = new BestLossTorchModuleCheckpointer(directory, "best.onnx", { report: (line) => reports.push(line) });
    await best.maybeCheckpoint(linearModule(9), 9, {});
    expect(valueOf(await best.loadCheckpoint())).to.equal(9);
    expect(readdirSync(directory).sort()).to.deep.equal(["best.onnx", "best.onnx.corrupt-1"]);
    expect(reports.join()).to.contain("set aside as best.onnx.corrupt-1");
  });

  it("is not compared with the file of another checkpointer, which is reported", async () => {
    const directory = temporaryDirectory();
    await new LatestTorchModuleCheckpointer(directory, "m.onnx").maybeCheckpoint(linearModule(1), 0, {});
    const reports: string[] = [];
    const best = new BestLossTorchModuleCheckpointer(directory, "m.onnx", { report: (line) => reports.push(line) });
    await best.maybeCheckpoint(linearModule(2), 5, {});
    expect(valueOf(await best.loadCheckpoint())).to.equal(2);
    expect(reports.join()).to.contain("another checkpointer (latest)");
  });
});

describe("a save that fails", () => {
  it("names the path and the cause, keeps the file, and does not turn the next module away", async () => {
    const directory = temporaryDirectory();
    const storage = directoryStorage(directory);
    let broken = false;
    const best = new BestLossTorchModuleCheckpointer(directory, "best.onnx", {
      storage: {
        ...storage,
        replace: (...rest) => (broken ? Promise.reject(new Error("the disk is full")) : storage.replace(...rest)),
      },
    });
    await best.maybeCheckpoint(linearModule(3), 3, {});
    broken = true;
    const error = await rejection(best.maybeCheckpoint(linearModule(1), 1, {}), "checkpoint/save-failed");
    expect(error.message).to.equal(`saving the checkpoint ${join(directory, "best.onnx")}: the disk is full`);
    expect(error.cause).to.be.instanceOf(Error);
    expect(valueOf(await best.loadCheckpoint())).to.equal(3);
    broken = false;
    await best.maybeCheckpoint(linearModule(2), 2, {});
    expect(valueOf(await best.loadCheckpoint())).to.equal(2);
  });

  it("says that the directory is missing, and does not create it", async () => {
    const directory = join(temporaryDirectory(), "none");
    const latest = new LatestTorchModuleCheckpointer(directory, "m.onnx");
    const { message } = await rejection(latest.maybeCheckpoint(linearModule(1), 1, {}), "checkpoint/save-failed");
    expect(message).to.contain("does not exist, and is not created");
    await rejection(latest.check(), "storage/directory");
    expect(() => readdirSync(directory)).to.throw("ENOENT");
  });
});

describe("the latest module", () => {
  it("is kept whatever its loss and metrics are", async () => {
    const latest: TorchModuleCheckpointer = new LatestTorchModuleCheckpointer(temporaryDirectory(), "latest.onnx");
    const metrics: Metrics = { accuracy: 0.5 };
    for (const loss of [1, 2, NaN, 0]) {
      await latest.maybeCheckpoint(linearModule(loss), loss, metrics);
      expect(valueOf(await latest.loadCheckpoint())).to.deep.equal(loss);
    }
  });
});

describe("a module's file", () => {
  const module = linearModule(1, { "perennial.run": "r1", "perennial.round": "4", author: "me" });
  const record = { checkpointer: "best-loss", loss: -0, score: Infinity, maximize: false, run: "r1", round: 4 };

  for (const format of ["onnx", "safetensors"] as const) {
    const bytes = encodeModule(module, record, format);
    it(`holds the score, loss, round and run as ${format}`, () => {
      const file = decodeModule(bytes, "a test");
      expect(file.record).to.deep.equal(record);
      expect(Object.is(file.record?.loss, -0)).to.be.true;
      expect(file.names).to.deep.equal(["fc.weight", "fc.bias"]);
      expect(file.parameters).to.deep.equal(module.parameters);
    });

    it(`is found damaged whichever bit was flipped, as ${format}`, async () => {
      for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
        const damaged = bytes.slice();
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        await damagedFile(damaged);
      }
    });

    it(`is found damaged wherever it was cut, as ${format}`, async () => {
      for (let length = 0; length < bytes.byteLength; length++) await damagedFile(bytes.slice(0, length));
    });

    it(`is the same for the same module and score, as ${format}`, () => {
      expect(encodeModule(module, record, format)).to.deep.equal(bytes);
      const again = decodeModule(bytes, "a test");
      if (again.format === "onnx") expect(encodeModule(again.module, record, format)).to.deep.equal(bytes);
    });
  }

  it("is a module like any other, with its own metadata and ours, as onnx", () => {
    const read = OnnxModule.fromBytes(encodeModule(module, record, "onnx"));
    expect(read.metadata).to.include({ author: "me", "perennial.score": "Infinity", "perennial.round": "4" });
  });

  it("has PyTorch's names as safetensors", () => {
    expect([...readSafetensors(encodeModule(module, record, "safetensors"), "a test").tensors.keys()]).to.deep.equal([
      "fc.weight",
      "fc.bias",
    ]);
  });
});

describe("loading a module", () => {
  it("fills the parameters of a safetensors file into the module that was saved, or is given", async () => {
    const directory = temporaryDirectory();
    const first = new BestLossTorchModuleCheckpointer(directory, "m.safetensors", { format: "safetensors" });
    await first.maybeCheckpoint(linearModule(6), 1, {});
    expect(valueOf(await first.loadCheckpoint())).to.equal(6);
    const bare = new BestLossTorchModuleCheckpointer(directory, "m.safetensors", { format: "safetensors" });
    expect((await rejection(bare.loadCheckpoint(), "argument/invalid")).message).to.contain('option "module"');
    const given = new BestLossTorchModuleCheckpointer(directory, "m.safetensors", { module: linearModule(0) });
    expect(valueOf(await given.loadCheckpoint())).to.equal(6);
  });

  it("reads a checkpoint at any other path", async () => {
    const [one, two] = [temporaryDirectory(), temporaryDirectory()];
    await new LatestTorchModuleCheckpointer(one, "old.onnx").maybeCheckpoint(linearModule(8), 1, {});
    const other = new BestLossTorchModuleCheckpointer(two, "best.onnx");
    expect(valueOf(await other.loadCheckpoint(join(one, "old.onnx")))).to.equal(8);
  });

  const refusals: readonly [string, (path: string) => void, "checkpoint/missing" | "checkpoint/corrupt", string][] = [
    ["nothing is there", () => undefined, "checkpoint/missing", "there is no checkpoint at"],
    [
      "a directory is there",
      (path) => {
        mkdirSync(path);
      },
      "checkpoint/missing",
      "is a directory, not a checkpoint",
    ],
    [
      "the file is empty",
      (path) => {
        writeFileSync(path, "");
      },
      "checkpoint/corrupt",
      "m.onnx",
    ],
    [
      "it is a pickle",
      (path) => {
        writeFileSync(path, Buffer.of(0x80, 2, 0x7d));
      },
      "checkpoint/corrupt",
      "is a pickle",
    ],
    [
      "it is torch.save's archive",
      (path) => {
        writeFileSync(path, "PK\u0003\u0004");
      },
      "checkpoint/corrupt",
      "is a pickle",
    ],
    [
      "it has no digest",
      (path) => {
        writeFileSync(path, linearModule(1).toBytes());
      },
      "checkpoint/corrupt",
      "no digest",
    ],
  ];
  for (const [when, put, code, text] of refusals) {
    it(`is refused when ${when}, at its own path and at a given one`, async () => {
      const directory = temporaryDirectory();
      const path = join(directory, "m.onnx");
      put(path);
      const checkpointer = new BestLossTorchModuleCheckpointer(directory, "m.onnx");
      expect((await rejection(checkpointer.loadCheckpoint(), code)).message).to.contain(text);
      expect((await rejection(checkpointer.loadCheckpoint(path), code)).message).to.contain(text);
    });
  }

  it("is bound to a name within the directory", () => {
    for (const name of ["../x", "/abs", "", "a/b"]) {
      expect(() => new LatestTorchModuleCheckpointer("dir", name)).to.throw("a checkpoint's name has");
    }
  });
});

/** Damage is found, or the file is no longer taken for a checkpoint at all, which loading refuses just the same. */
async function damagedFile(bytes: Uint8Array): Promise<void> {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "m.onnx"), bytes);
  const checkpointer = new LatestTorchModuleCheckpointer(directory, "m.onnx", { module: linearModule(0) });
  await rejection(checkpointer.loadCheckpoint(), "checkpoint/corrupt");
}
