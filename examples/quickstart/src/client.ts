// The app of each client: trains the model on this client's share of MNIST and keeps its best and latest modules.
import { parseArgs } from "node:util";
import { FederationError, permutation, random } from "@perennial-fl/core";
import { BestLossTorchModuleCheckpointer, LatestTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import { moduleClient } from "@perennial-fl/client";
import type { Client } from "@perennial-fl/client";
import type { AppArguments } from "perennial-fl";
import { datasetOf, readMnist } from "./mnist.js";
import { digitModel, training } from "./model.js";
import { partitionByLabel } from "./partition.js";

/** Makes the client of one part: `--part 0 --parts 3 --alpha 0.5 --seed 7`. */
export default async function client({ stateDir, arguments: given }: AppArguments): Promise<Client> {
  const { part, parts, alpha, seed } = readArguments(given);
  const digits = await readMnist("train");
  const share = partitionByLabel(digits.labels, { parts, alpha, seed })[part];
  if (share === undefined) throw new FederationError("argument/invalid", `there is no part ${part} of ${parts}`);
  const { held, trained } = holdOut(share, seed);
  return moduleClient({
    ...training,
    module: digitModel(seed),
    train: datasetOf(digits, trained),
    test: datasetOf(digits, held),
    seed,
    preAggregation: [
      new BestLossTorchModuleCheckpointer(stateDir, "local-best.onnx"),
      new LatestTorchModuleCheckpointer(stateDir, "local-latest.onnx"),
    ],
    postAggregation: [
      new BestLossTorchModuleCheckpointer(stateDir, "global-best.onnx"),
      new LatestTorchModuleCheckpointer(stateDir, "global-latest.onnx"),
    ],
  });
}

/** A twelfth of the share is never trained on: it judges models. */
function holdOut(share: Uint32Array, seed: number): { held: Uint32Array; trained: Uint32Array } {
  const order = permutation(share.length, random("hold out", seed)).map((at) => share[at] as number);
  const count = Math.max(1, Math.floor(share.length / 12));
  return { held: order.subarray(0, count), trained: order.subarray(count) };
}

function readArguments(given: readonly string[]): { part: number; parts: number; alpha: number; seed: number } {
  const option = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const options = { part: option("0"), parts: option("3"), alpha: option("0.5"), seed: option("7") };
  const { values } = parseArgs({ args: [...given], options });
  const numbers = { part: +values.part, parts: +values.parts, alpha: +values.alpha, seed: +values.seed };
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isNaN(value))
      throw new FederationError("argument/invalid", `--${name} is a number, not ${values[name as "part"]}`);
  }
  return numbers;
}
