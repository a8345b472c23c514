// A worker that dies in the third step of the second epoch of whatever it is asked, unless that has one epoch only.
import { parentPort } from "node:worker_threads";
import { control } from "../../src/protocol.js";
import type { FromWorker, ToWorker } from "../../src/protocol.js";

const say = (message: FromWorker): void => parentPort?.postMessage(message);

parentPort?.on("message", (message: ToWorker) => {
  if (message.type === "close") parentPort?.close();
  if (message.type !== "do" || message.task.type !== "train") return;
  const { id, task } = message;
  if (task.epochs > 1) {
    Atomics.store(message.control, control.epoch, 2);
    Atomics.store(message.control, control.step, 3);
    throw new Error("out of luck");
  }
  say({ type: "done", id, result: { parameters: [], state: [], loss: 0, numExamples: 1, steps: 1 } });
});
say({ type: "ready" });
