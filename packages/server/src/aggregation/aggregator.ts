// Aggregates stored results in a thread of its own, so that the server answers its clients meanwhile.
import { Worker } from "node:worker_threads";
import { FederationError } from "@perennial-fl/core";
import type { Parameters, TensorHeader } from "@perennial-fl/core";
import { lengthOf } from "@perennial-fl/checkpointer";
import type { RoundJournal } from "@perennial-fl/checkpointer";
import type { Aggregate, Contribution } from "@perennial-fl/strategy";
import type { AggregationAnswer, AggregationRequest } from "./protocol.js";

/** Fewer bytes than these, of fewer results, are aggregated sooner than another thread is told of them. */
const leastBytes = 2 ** 25;
const leastResults = 100;

export interface Aggregator {
  /**
   * What the aggregate makes of the contributions, to the bit; `undefined` where it names no rule, or where they are so
   * small that the caller may as well do it. Throws what the aggregate throws.
   */
  aggregate(
    aggregate: Aggregate,
    contributions: readonly Contribution[],
    current: readonly TensorHeader[],
  ): Promise<Parameters | undefined>;
  close(): Promise<void>;
}

/** For the results that `journal` keeps in `directory`. The thread is started when it is first needed. */
export function openAggregator(directory: string, journal: RoundJournal, least = leastBytes): Aggregator {
  let worker: Worker | undefined;
  return {
    async aggregate({ rule }, contributions, current) {
      if (rule === undefined) return undefined;
      const stored: AggregationRequest["contributions"][number][] = [];
      for (const { result, numExamples } of contributions) {
        stored.push({ reference: await journal.reference(result), numExamples });
      }
      const bytes = stored.reduce((sum, { reference }) => sum + lengthOf(reference), 0);
      if (bytes < least && stored.length < leastResults) return undefined;
      const headers = current.map(({ dtype, shape }) => ({ dtype, shape }));
      worker ??= new Worker(new URL("./thread.js", import.meta.url), { workerData: directory });
      try {
        return await ask(worker, { rule, contributions: stored, headers });
      } catch (error) {
        // The next round begins with a new one, whatever this one is still doing.
        void worker.terminate();
        worker = undefined;
        throw error;
      }
    },
    async close() {
      await worker?.terminate();
      worker = undefined;
    },
  };
}

/** One question, one answer. A thread that dies instead rejects it. */
function ask(worker: Worker, request: AggregationRequest): Promise<Parameters> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      worker.off("message", answered);
      worker.off("error", died);
      worker.off("exit", ended);
    };
    const fail = (error: Error): void => {
      settle();
      reject(error);
    };
    const answered = (answer: AggregationAnswer): void => {
      settle();
      if (answer.type === "aggregated") resolve(answer.parameters);
      else
        reject(
          answer.code === undefined ? new Error(answer.message) : new FederationError(answer.code, answer.message),
        );
    };
    const died = (error: unknown): void => {
      fail(new FederationError("strategy/failed", "the thread that aggregates has died", { cause: error }));
    };
    const ended = (): void => {
      fail(new FederationError("strategy/failed", "the thread that aggregates has ended"));
    };
    worker.on("message", answered).on("error", died).on("exit", ended);
    worker.postMessage(request);
  });
}
