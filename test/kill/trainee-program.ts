// A client that trains a module, as a process of its own: says what it kept of a training, and can stop right there.
import { startClient, moduleClient } from "@perennial-fl/client";
import type { Progress } from "@perennial-fl/client";
import { float32, random, tensor } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import { crossEntropy, sgd } from "@perennial-fl/module";
import { obeyParent, say } from "./programs.js";
import { traineeModule } from "./trainee.js";
import type { TraineeLine, TraineeTask } from "./trainee.js";

/** Seven steps an epoch, of which a restart must go on in the middle. */
const examples = 50;
const draw = random("trainee");

const { serverAddress, stateDir, waitsAfter } = obeyParent() as TraineeTask;
const client = await moduleClient({
  module: traineeModule,
  loss: crossEntropy(),
  optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
  optimizerState: "keep",
  train: {
    inputs: float32(
      [examples, 3],
      Float32Array.from({ length: 3 * examples }, () => draw.normal()),
    ),
    targets: tensor(
      "int32",
      [examples],
      Int32Array.from({ length: examples }, (_, i) => i % 2),
    ),
  },
  epochs: 2,
  batchSize: 8,
  seed: 3,
  keepProgress: { everySteps: 3 },
});
const spoken = (progress: Progress): Progress => ({
  kept: progress.kept,
  async keep(state) {
    await progress.keep(state);
    say({ type: "kept", steps: stepsOf(state) } satisfies TraineeLine);
    if (stepsOf(state) === waitsAfter) await new Promise(() => undefined);
  },
});
await startClient({
  serverAddress,
  clientId: "trainee",
  stateDir,
  client: {
    ...client,
    fit: (parameters, config, context) => {
      if (context.progress?.kept !== undefined)
        say({ type: "found", steps: stepsOf(context.progress.kept) } satisfies TraineeLine);
      return client.fit(parameters, config, {
        ...context,
        ...(context.progress && { progress: spoken(context.progress) }),
      });
    },
  },
  backoff: { firstMs: 20, maxMs: 200, giveUpAfterMs: 20_000 },
});

/** There is one training, and it counts its steps. */
function stepsOf(work: SavedState): number {
  const [part] = Object.values(work);
  return (part as { readonly steps: number }).steps;
}
