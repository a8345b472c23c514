// What only shows between processes and threads: silence, repeatability, a missing runtime, a dying worker.
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isFederationError, zeros } from "@perennial-fl/core";
import { expect } from "chai";
import { startTrainer } from "../src/start.js";
import { filesUnder, runNode, withDirectory } from "./children.js";
import { handmade } from "./handmade.js";
import { points } from "./points.js";

const program = (name: string): string => fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url));
const packages = fileURLToPath(new URL("../../../", import.meta.url));

describe("A process that trains", () => {
  it("leaves no trace of telemetry, where a bare session of onnxruntime does", async function () {
    if (process.platform === "win32") this.skip(); // There telemetry goes through the system and leaves no files.
    await withDirectory(async (home) => {
      await runNode([program("train")], home);
      expect(await filesUnder(home)).to.deep.equal([]);
      await runNode([program("bare-session")], home);
      expect(await filesUnder(home)).to.include("deviceid");
    });
  });

  it("gives the bytes of any other process, and ends though its trainer was left open", async () => {
    await withDirectory(async (home) => {
      const first = await runNode([program("train")], home);
      expect(first).to.match(/^[0-9a-f]{64}$/);
      expect(await runNode([program("train")], home)).to.equal(first);
    });
  });

  for (const how of ["exit", "close", "throw"]) {
    it(`ends as it likes in the middle of a step: by ${how}`, async () => {
      await withDirectory(async (home) => {
        // Ending the worker inside its native call aborts the process every other time.
        for (let time = 0; time < 4; time++) expect(await runNode([program("leave"), how], home)).to.equal("left");
      });
    });
  }

  it("is refused in a worker whose main thread never switched telemetry off", async () => {
    await withDirectory(async (home) => {
      const said = await runNode([program("open-in-worker")], home);
      expect(said).to.match(/telemetry cannot be switched off from a worker thread: import @perennial-fl\/trainer/);
      expect(await filesUnder(home)).to.deep.equal([]);
    });
  });

  it("is told how to get onnxruntime-node where that is not installed", async () => {
    await withDirectory(async (home) => {
      const modules = join(home, "node_modules");
      await mkdir(join(modules, "@perennial-fl"), { recursive: true });
      for (const name of ["core", "module", "trainer"]) {
        await cp(join(packages, name), join(modules, "@perennial-fl", name), {
          recursive: true,
          filter: (source) => !/\/(node_modules|test|src\/.*\.ts)$/.test(source),
        });
      }
      for (const name of ["protobufjs", "long"]) {
        await cp(join(packages, "..", "node_modules", name), join(modules, name), { recursive: true });
      }
      await cp(join(packages, "..", "node_modules", "@protobufjs"), join(modules, "@protobufjs"), { recursive: true });
      const script = `
        import { crossEntropy, linear, sequential, sgd } from ${JSON.stringify(join(modules, "@perennial-fl/module/dist/src/index.js"))};
        import { openTrainer } from ${JSON.stringify(join(modules, "@perennial-fl/trainer/dist/src/index.js"))};
        const module = sequential([linear(2, 3)], { input: [2], seed: 1 });
        const opening = openTrainer({ module, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) });
        console.log(await opening.catch(({ code, message }) => code + ": " + message));`;
      const said = await runNode(["--input-type=module", "-e", script], home);
      expect(said).to.match(/^trainer\/unavailable: loading onnxruntime-node failed .*npm install onnxruntime-node/);
    });
  });
});

describe("A worker that dies", () => {
  const parameters = handmade.parameters.map(({ shape }) => zeros("float32", shape));
  const options = { dataset: points(10, 1), batchSize: 4, seed: [1] };

  it("fails the call with its epoch, step and cause, and a new worker takes the next one", async () => {
    const script = new URL("./programs/crashing-worker.js", import.meta.url);
    const trainer = await startTrainer(handmade, script, { threads: 1, executionProvider: "cpu", lowerings: [] });
    const error: unknown = await trainer.train(parameters, { ...options, epochs: 2 }).catch((e: unknown) => e);
    expect(isFederationError(error, "trainer/failed")).to.be.true;
    expect(String(error)).to.include("the training worker died during training in epoch 2, step 3: out of luck");
    expect((await trainer.train(parameters, { ...options, epochs: 1 })).steps).to.equal(1);
    await trainer.close();
  });

  it("is no failure when it was closed: the call was stopped, and the next is refused", async () => {
    const script = new URL("../src/worker.js", import.meta.url);
    const trainer = await startTrainer(handmade, script, { threads: 1, executionProvider: "cpu", lowerings: [] });
    let closing: Promise<void> | undefined;
    const close = (): void => {
      closing ??= trainer.close();
    };
    const training = trainer.train(parameters, { ...options, epochs: 1_000_000, onEpoch: close });
    const error: unknown = await training.catch((e: unknown) => e);
    expect(isFederationError(error, "trainer/aborted")).to.be.true;
    expect(String(error)).to.match(/the trainer was closed during training in epoch \d+, step \d/);
    await closing;
    const next: unknown = await trainer.evaluate(parameters, options).catch((e: unknown) => e);
    expect(String(next)).to.include("evaluation was asked of a trainer that is closed");
  });

  it("fails a call that the runtime cannot do, with the runtime's own words", async () => {
    const script = new URL("../src/worker.js", import.meta.url);
    const broken = { ...handmade, evaluation: (size: number) => ({ ...handmade.evaluation(size), loss: "lost" }) };
    const trainer = await startTrainer(broken, script, { threads: 1, executionProvider: "cpu", lowerings: [] });
    const garbled = {
      ...handmade,
      training: (size: number) => ({ ...handmade.training(size), bytes: new Uint8Array(9) }),
    };
    const second = await startTrainer(garbled, script, { threads: 1, executionProvider: "cpu", lowerings: [] });
    const error: unknown = await second.train(parameters, { ...options, epochs: 1 }).catch((e: unknown) => e);
    expect(isFederationError(error, "trainer/failed")).to.be.true;
    expect(String(error)).to.match(/training failed in epoch 1, step 1: /);
    const lost: unknown = await trainer.evaluate(parameters, options).catch((e: unknown) => e);
    expect(String(lost)).to.match(/evaluation failed in batch 1: /);
    await Promise.all([trainer.close(), second.close()]);
  });
});
