// Lowered train steps from outside: the same training up to rounding, repeated to the byte, in ONNX's order of elements.
import { float32, isFederationError, random, tensor } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import { conv2d, crossEntropy, flatten, linear, maxPool2d, relu, sequential, sgd } from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { Dataset, Trained, TrainerOptions } from "../src/index.js";

const layers = [conv2d(1, 16, 3), relu(), maxPool2d(2), conv2d(16, 16, 2), flatten(), linear(64, 3)];
const module = sequential(layers, { input: [1, 8, 8], seed: 5 });
const plan = { module, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }) };
// Two batches in blocks of 16 and one of 5.
const dataset = images(37);

function images(count: number): Dataset {
  const draw = random("images", count);
  const inputs = float32(
    [count, 1, 8, 8],
    Float32Array.from({ length: count * 64 }, () => draw.normal()),
  );
  return {
    inputs,
    targets: tensor(
      "int32",
      [count],
      Int32Array.from({ length: count }, () => draw.below(3)),
    ),
  };
}

async function trained(lowering: NonNullable<TrainerOptions["lowering"]>, spans = [2]): Promise<Trained> {
  const trainer = await openTrainer({ ...plan, lowering });
  let last: Trained | undefined;
  let firstEpoch = 0;
  for (const epochs of spans) {
    const parameters: Parameters = last?.parameters ?? module.parameters;
    const state = last === undefined ? {} : { state: last.state };
    last = await trainer.train(parameters, {
      dataset,
      batchSize: 16,
      epochs,
      seed: ["lowering"],
      firstEpoch,
      ...state,
    });
    firstEpoch += epochs;
  }
  await trainer.close();
  return last as Trained;
}

function numbersOf({ parameters, state }: Trained): number[] {
  const tensors = [...parameters, ...Object.values(state as Record<string, Tensor>)];
  return tensors.flatMap(({ data }) => Array.from<number | bigint, number>(data, Number));
}

describe("A trainer's lowering", () => {
  it("changes what training gives, but not beyond rounding", async () => {
    const [plain, lowered] = [numbersOf(await trained("none")), numbersOf(await trained("auto"))];
    const difference = Math.hypot(...plain.map((x, i) => x - (lowered[i] as number)));
    expect(difference / Math.hypot(...plain)).to.be.below(1e-5);
  });

  it("repeats itself to the byte, also in two calls and another worker", async () => {
    const once = numbersOf(await trained("auto"));
    expect(numbersOf(await trained("auto"))).to.deep.equal(once);
    expect(numbersOf(await trained("auto", [1, 1]))).to.deep.equal(once);
  });

  it("is refused by a name that does not exist", async () => {
    const error: unknown = await openTrainer({ ...plan, lowering: ["magic"] as unknown as "auto" }).catch(
      (e: unknown) => e,
    );
    expect(isFederationError(error) && error.code).to.equal("argument/invalid");
    expect((error as Error).message)
      .to.include("magic")
      .and.to.include("blocked-convolutions");
  });
});
