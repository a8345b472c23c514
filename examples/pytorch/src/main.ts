// The example: two networks that PyTorch exported are trained by a federation, and are ready to go back into PyTorch.
// Argument: the folder for the trained modules; without it, a new one under the system's temporary directory.
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeAnswers } from "./answers.js";
import { federate } from "./federation.js";
import { digits, languageOfNames } from "./tasks.js";

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const began = performance.now();
const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), "perennial-pytorch-")));
await mkdir(folder, { recursive: true });

for (const open of [digits, languageOfNames]) {
  const task = await open();
  const counts = task.shares.map(({ targets }) => targets.shape[0]);
  say(`${task.name}.onnx, ${task.module.parameters.length} tensors; three clients with ${counts.join(", ")} examples`);
  const trained = await federate(task, folder, (round, { loss, accuracy = NaN, numExamples }) => {
    const right = `${(100 * accuracy).toFixed(1)} % of ${numExamples} ${task.subject}`;
    say(`  round ${round}  loss ${loss.toFixed(4)}  ${right}`);
  });
  await writeAnswers(task, trained, folder);
}
say(`took ${((performance.now() - began) / 1000).toFixed(1)} s; trained modules are in ${folder}`);
