// The main thread's end of the worker: starts it, asks it, and says what became of it when it dies.
import { Worker } from "node:worker_threads";
import { FederationError, messageOf } from "@perennial-fl/core";
import { cut, newLifeline, waitUntilFree } from "./lifeline.js";
import type { Lifeline } from "./lifeline.js";
import { control } from "./protocol.js";
import type {
  Control,
  FailureReport,
  FromWorker,
  ResultOf,
  Setup,
  Task,
  ToWorker,
  TrainResult,
  WorkerData,
} from "./protocol.js";
import { place } from "./task.js";
import type { Evaluated, Progress, StepProgress } from "./trainer.js";

export interface AskOptions {
  readonly transfer: readonly ArrayBuffer[];
  readonly signal?: AbortSignal | undefined;
  readonly pause?: AbortSignal | undefined;
  readonly onEpoch?: ((progress: Progress) => void) | undefined;
  readonly onStep?: ((progress: StepProgress) => void) | undefined;
}

/** Of the workers that live. */
const lifelines = new Set<Lifeline>();

// Node ends all workers when the process exits, also in the middle of a step.
process.on("exit", () => {
  lifelines.forEach(cut);
  lifelines.forEach(waitUntilFree);
});

/** A running worker. */
export interface Thread {
  tell(message: ToWorker, transfer?: readonly ArrayBuffer[]): void;
  /** Has a task done. Throws `trainer/aborted`, or `trainer/failed` also when the worker dies. */
  ask<T extends Task>(task: T, options: AskOptions): Promise<ResultOf<T>>;
  /** Ends the worker; what it was asked throws `trainer/aborted`. */
  end(): Promise<void>;
}

interface Call {
  readonly doing: string;
  readonly shared: Control;
  readonly onEpoch: AskOptions["onEpoch"];
  readonly onStep: AskOptions["onStep"];
  resolve(result: TrainResult | Evaluated): void;
  reject(error: unknown): void;
}

/**
 * Starts `script` as a worker and waits until it is ready, perhaps with a warning; `onEnd` is told once when it is no more. Throws what the
 * worker says it lacks.
 */
export async function startThread(
  script: URL,
  setup: Setup,
  { onEnd, onWarning }: { readonly onEnd: () => void; readonly onWarning: (message: string) => void },
): Promise<Thread> {
  // The flags of this process (a loader, an input type) are not for the worker's compiled file.
  const lifeline = newLifeline();
  const workerData: WorkerData = { ...setup, lifeline };
  const worker = new Worker(script, { workerData, name: "perennial-trainer", execArgv: [] });
  lifelines.add(lifeline);
  const calls = new Map<number, Call>();
  let asked = 0;
  let crash: unknown;

  function failAll(why: (call: Call) => FederationError): void {
    for (const call of calls.values()) call.reject(why(call));
    calls.clear();
  }

  function settle(id: number): Call | undefined {
    const call = calls.get(id);
    // An idle worker must not keep the process of someone who forgot to close it alive.
    if (calls.delete(id) && calls.size === 0) worker.unref();
    return call;
  }

  /** Tells the caller. A listener that throws has spoken: its task stops and fails with what it threw. */
  function tell(id: number, listen: (call: Call) => void): void {
    const call = calls.get(id);
    try {
      if (call !== undefined) listen(call);
    } catch (error) {
      if (call !== undefined) Atomics.store(call.shared, control.stop, 1);
      settle(id)?.reject(error);
    }
  }

  const exited = new Promise<void>((resolve) => {
    // An exit follows every crash, and it alone ends a worker, once.
    worker.on("exit", (code) => {
      lifelines.delete(lifeline);
      const why = crash === undefined ? `exit code ${code}` : messageOf(crash);
      onEnd();
      failAll((call) => died(describe(call), why, crash));
      resolve();
    });
  });

  const ready = new Promise<void>((resolve, reject) => {
    worker.on("message", (message: FromWorker) => {
      switch (message.type) {
        case "ready":
          if (message.warning !== undefined) onWarning(message.warning);
          resolve();
          return;
        case "unavailable":
          reject(errorOf(message.failure));
          return;
        case "progressed":
          tell(message.id, (call) => call.onEpoch?.(message.progress));
          return;
        case "stepped":
          tell(message.id, (call) => call.onStep?.(message.progress));
          return;
        case "done":
          settle(message.id)?.resolve(message.result);
          return;
        case "failed":
          settle(message.id)?.reject(errorOf(message.failure));
          return;
      }
    });
    worker.on("error", (cause) => {
      crash = cause;
    });
    worker.on("exit", (code) => {
      reject(died("its start", crash === undefined ? `exit code ${code}` : messageOf(crash), crash));
    });
  });

  try {
    await ready;
  } catch (error) {
    await exited;
    throw error;
  }
  worker.unref();

  return {
    tell(message, transfer = []) {
      worker.postMessage(message, transfer);
    },
    ask<T extends Task>(task: T, { transfer, signal, pause, onEpoch, onStep }: AskOptions) {
      const id = asked++;
      const shared = new Int32Array(new SharedArrayBuffer(control.length * Int32Array.BYTES_PER_ELEMENT));
      const stop = (): void => void Atomics.store(shared, control.stop, 1);
      const rest = (): void => void Atomics.store(shared, control.pause, 1);
      if (pause?.aborted === true) rest();
      signal?.addEventListener("abort", stop);
      pause?.addEventListener("abort", rest);
      return new Promise<ResultOf<T>>((resolve, reject) => {
        const doing = task.type === "train" ? "training" : "evaluation";
        calls.set(id, { doing, shared, onEpoch, onStep, resolve: resolve as Call["resolve"], reject });
        worker.ref();
        worker.postMessage({ type: "do", id, task, control: shared } satisfies ToWorker, transfer);
      }).finally(() => {
        signal?.removeEventListener("abort", stop);
        pause?.removeEventListener("abort", rest);
      });
    },
    async end() {
      failAll((call) => {
        return new FederationError("trainer/aborted", `the trainer was closed during ${describe(call)}`);
      });
      cut(lifeline);
      worker.ref();
      worker.postMessage({ type: "close" } satisfies ToWorker);
      await exited;
    },
  };
}

function died(during: string, why: string, cause?: unknown): FederationError {
  return new FederationError("trainer/failed", `the training worker died during ${during}: ${why}`, { cause });
}

function describe(call: Call): string {
  return `${call.doing} ${place(call.shared)}`;
}

function errorOf({ code, message, cause }: FailureReport): FederationError {
  return new FederationError(code, message, cause === undefined ? {} : { cause: new Error(cause) });
}
