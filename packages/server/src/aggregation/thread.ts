// The thread that aggregates: reads stored results tile by tile, and gives each tensor's memory away when it is done.
import { parentPort, workerData } from "node:worker_threads";
import { directoryStorage, openResult } from "@perennial-fl/checkpointer";
import { assert, isFederationError, messageOf } from "@perennial-fl/core";
import { aggregateBy } from "@perennial-fl/strategy";
import type { Contribution } from "@perennial-fl/strategy";
import type { AggregationAnswer, AggregationRequest } from "./protocol.js";

const storage = directoryStorage(workerData as string);

async function aggregate({ rule, contributions, headers }: AggregationRequest): Promise<AggregationAnswer> {
  try {
    const opened: Contribution[] = [];
    for (const { reference, numExamples } of contributions) {
      const result = await openResult(storage, reference);
      opened.push({ client: "", result, numExamples, metrics: {} });
    }
    return { type: "aggregated", parameters: aggregateBy(rule)(opened, headers) };
  } catch (error) {
    return {
      type: "failed",
      message: messageOf(error),
      ...(isFederationError(error) && { code: error.code }),
    };
  }
}

assert(parentPort, "this file is run as a worker");
const port = parentPort;
port.on("message", (request: AggregationRequest) => {
  void aggregate(request).then((answer) => {
    const given = answer.type === "aggregated" ? answer.parameters.map(({ data }) => data.buffer as ArrayBuffer) : [];
    port.postMessage(answer, [...new Set(given)]);
  });
});
