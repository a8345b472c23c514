// The worker thread's own file: it keeps datasets and sessions, and does tasks in the order in which they come.
import { parentPort, workerData } from "node:worker_threads";
import { assert, isFederationError, messageOf } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { Examples } from "./dataset.js";
import { evaluate } from "./evaluation.js";
import { holding } from "./lifeline.js";
import type { Control, FailureReport, FromWorker, Task, ToWorker, WorkerData } from "./protocol.js";
import { loadRuntime } from "./runtime.js";
import type { Runtime } from "./runtime.js";
import { openSessions } from "./sessions.js";
import { failedAt } from "./task.js";
import { train } from "./training.js";
import type { Progress, StepProgress } from "./trainer.js";

assert(parentPort !== null, "worker.js is started as a worker thread");
const port = parentPort;
const data = workerData as WorkerData;

function say(message: FromWorker, transfer: readonly Tensor[] = []): void {
  port.postMessage(
    message,
    transfer.map(({ data }) => data.buffer as ArrayBuffer),
  );
}

try {
  const { runtime, warning } = await holding(data.lifeline, () => loadRuntime(data));
  serve(runtime);
  say({ type: "ready", ...(warning === undefined ? {} : { warning }) });
} catch (error) {
  say({ type: "unavailable", failure: report(error) });
}

function serve(runtime: Runtime): void {
  const datasets = new Map<number, Examples>();
  const sessions = openSessions(runtime, data);

  async function perform(id: number, task: Task, shared: Control): Promise<void> {
    try {
      const examples = datasets.get(task.dataset);
      assert(examples !== undefined, `dataset ${task.dataset} is in the worker`);
      if (task.type === "evaluate") {
        say({ type: "done", id, result: await evaluate(task, examples, runtime, sessions, shared) });
      } else {
        const onEpoch = (progress: Progress): void => {
          say({ type: "progressed", id, progress });
        };
        const onStep = (progress: StepProgress): void => {
          say({ type: "stepped", id, progress });
        };
        const result = await train(task, examples, runtime, sessions, shared, { onEpoch, onStep });
        say({ type: "done", id, result }, [...result.parameters, ...result.state]);
      }
    } catch (error) {
      say({
        type: "failed",
        id,
        failure: report(failedAt(shared, task.type === "train" ? "training" : "evaluation", error)),
      });
    }
  }

  // A task lets messages in between its steps, so they queue here: a dataset is kept and forgotten in its turn.
  let last: Promise<void> = Promise.resolve();
  port.on("message", (message: ToWorker) => {
    last = last.then(() => {
      switch (message.type) {
        case "keep":
          datasets.set(message.dataset, message.examples);
          return;
        case "forget":
          datasets.delete(message.dataset);
          return;
        case "do":
          return perform(message.id, message.task, message.control);
        case "close":
          port.close();
          return;
      }
    });
  });
}

function report(error: unknown): FailureReport {
  const code = isFederationError(error) ? error.code : "trainer/failed";
  const cause = error instanceof Error && error.cause !== undefined ? { cause: messageOf(error.cause) } : {};
  return { code, message: messageOf(error), ...cause };
}
