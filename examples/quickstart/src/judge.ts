// Judges a federation's final model on the 10,000 test images, which no client has seen.
import { LatestTorchModuleCheckpointer, parametersSha256 } from "@perennial-fl/checkpointer";
import { openTrainer } from "@perennial-fl/trainer";
import { datasetOf, readMnist } from "./mnist.js";
import { training } from "./model.js";

export interface Judgement {
  /** Share of the test images told right. */
  readonly accuracy: number;
  readonly parametersSha256: string;
}

/** Reads the latest checkpoint of a server's state directory and evaluates it. */
export async function judge(directory: string): Promise<Judgement> {
  const module = await new LatestTorchModuleCheckpointer(directory, "latest.onnx").loadCheckpoint();
  const digits = await readMnist("test");
  const dataset = datasetOf(digits, Uint32Array.from(digits.labels.keys()));
  const trainer = await openTrainer({ module, loss: training.loss, optimizer: training.optimizer });
  try {
    const { accuracy = NaN } = await trainer.evaluate(module.parameters, { dataset });
    return { accuracy, parametersSha256: parametersSha256(module.parameters) };
  } finally {
    await trainer.close();
  }
}
