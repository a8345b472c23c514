// The committed modules: they are what PyTorch names them, they learn, and a small federation trains one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesOf } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { bufferNames, inferenceModule } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Dataset } from "@perennial-fl/trainer";
import { expect } from "chai";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { federate } from "../src/federation.js";
import { digits, languageOfNames } from "../src/tasks.js";
import type { Task } from "../src/tasks.js";

let tasks: readonly Task[] = [];
function taskNamed(name: string): Task {
  return tasks.find((task) => task.name === name)!;
}

/** The first examples of a dataset. */
function first(count: number, { inputs, targets }: Dataset): Dataset {
  const cut = ({ dtype, shape, data }: Tensor): Tensor => {
    const kept = data.subarray(0, (data.length / shape[0]!) * count);
    return { dtype, shape: [count, ...shape.slice(1)], data: kept };
  };
  return { inputs: cut(inputs), targets: cut(targets) };
}

async function scoresOf(module: OnnxModule, { inputs }: Dataset): Promise<readonly number[]> {
  const session = await InferenceSession.create(module.toBytes(), { intraOpNumThreads: 1 });
  const input = new OrtTensor(inputs.dtype as "float32", inputs.data as Float32Array, inputs.shape);
  const { scores } = await session.run({ input });
  await session.release();
  return Array.from(scores!.data as Float32Array);
}

describe("A module that PyTorch exported", () => {
  before(async () => {
    tasks = [await digits(), await languageOfNames()];
  });

  for (const name of ["resnet", "transformer"]) {
    it(`learns, with a last batch that is smaller than the others: ${name}`, async () => {
      const { module, loss, optimizer, shares } = taskNamed(name);
      const trainer = await openTrainer({ module, loss, optimizer });
      const dataset = first(52, shares[0]!);
      const before = await trainer.evaluate(module.parameters, { dataset });
      const trained = await trainer.train(module.parameters, { dataset, batchSize: 16, epochs: 6, seed: [1] });
      const after = await trainer.evaluate(trained.parameters, { dataset });
      await trainer.close();
      expect(trained.steps).to.equal(24);
      expect(trained.loss).to.be.below(before.loss);
      expect(after.loss).to.be.below(before.loss);
      const moved = module.parameterNames.filter(
        (_, i) => !bytesOf(trained.parameters[i]!).every((byte, at) => byte === bytesOf(module.parameters[i]!)[at]),
      );
      expect(moved, "parameters that moved, running statistics among them").to.deep.equal(module.parameterNames);
    });
  }

  it("has BatchNorm's running statistics among its parameters, under their names in the state_dict", () => {
    const { module } = taskNamed("resnet");
    expect(bufferNames(module)).to.have.length(18).and.include("stages.1.shortcut.1.running_var");
    expect(module.parameterNames).to.include.members([...bufferNames(module)]);
  });

  for (const name of ["resnet", "transformer"]) {
    it(`answers, made ready for inference, one example as it answers a batch: ${name}`, async () => {
      const { module, test } = taskNamed(name);
      const ready = inferenceModule(module);
      expect(ready.parameterNames).to.deep.equal(module.parameterNames);
      const batch = await scoresOf(ready, first(8, test));
      const alone = await scoresOf(ready, first(1, test));
      alone.forEach((score, i) => expect(score).to.be.closeTo(batch[i]!, 1e-5));
      expect(await scoresOf(ready, first(8, test)), "nothing is drawn at random").to.deep.equal(batch);
    });
  }

  it("is trained by a federation of three, whose last round is the file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "perennial-test-"));
    try {
      const task = taskNamed("transformer");
      const shares = task.shares.map((share) => first(40, share));
      const losses: number[] = [];
      const small = { ...task, shares, test: first(60, task.test), rounds: 2, epochs: 1 };
      const trained = await federate(small, folder, (_, { loss }) => losses.push(loss));
      expect(losses[1]).to.be.below(losses[0]!);
      expect(trained.parameterNames).to.deep.equal(task.module.parameterNames);
      expect(trained.metadata["perennial.round"]).to.equal("2");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
