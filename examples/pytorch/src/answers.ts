// What a trained module says to a few examples, as any ONNX runtime computes it: PyTorch must say the same.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FederationError } from "@perennial-fl/core";
import { inferenceModule } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Task } from "./tasks.js";

const examples = 64;

/** Writes `<name>-inference.onnx`, and examples with its scores for them as `<name>-answers.json`. */
export async function writeAnswers({ name, test }: Task, trained: OnnxModule, folder: string): Promise<void> {
  const bytes = inferenceModule(trained).toBytes();
  await writeFile(join(folder, `${name}-inference.onnx`), bytes);
  const { dtype, shape, data } = test.inputs;
  const inputShape = [examples, ...shape.slice(1)];
  const inputs = data.slice(
    0,
    inputShape.reduce((a, b) => a * b, 1),
  );
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const { scores } = await session.run({ input: new Tensor(dtype as "float32", inputs as Float32Array, inputShape) });
  await session.release();
  if (scores === undefined) throw new FederationError("model/mismatch", `asking ${name}.onnx: it gives no "scores"`);
  const answers = {
    inputs: { shape: inputShape, data: Array.from<number | bigint, number>(inputs, Number) },
    scores: { shape: scores.dims, data: Array.from(scores.data as Float32Array) },
  };
  await writeFile(join(folder, `${name}-answers.json`), JSON.stringify(answers));
}
