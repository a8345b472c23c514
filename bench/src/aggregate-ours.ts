// Aggregates made-up updates in memory. Arguments: RULE (JSON) CLIENTS MEGABYTES; each line of input is answered by {"seconds"}.
import { float32, memoryResult, random } from "@perennial-fl/core";
import { aggregateBy } from "@perennial-fl/strategy";
import type { AggregationRule, Contribution } from "@perennial-fl/strategy";
import { madeUpParameters } from "./parameters.js";
import { say } from "./say.js";

const [rule = "", clients = "", megabytes = ""] = process.argv.slice(2);
const aggregate = aggregateBy(JSON.parse(rule) as AggregationRule);
const model = madeUpParameters(Number(megabytes));
const draw = random("bench", "shifts");
const contributions = Array.from({ length: Number(clients) }, (_, client): Contribution => {
  const shift = draw.normal();
  const update = model.map(({ shape, data }) =>
    float32(
      shape,
      (data as Float32Array).map((x) => x * shift),
    ),
  );
  return { client: String(client), result: memoryResult(update), numExamples: 10 + client, metrics: {} };
});
say({ ready: true });
process.stdin.on("data", (lines: Buffer) => {
  // One line is one request, and the other side waits for the answer.
  if (!lines.includes("\n")) return;
  const begun = performance.now();
  aggregate(contributions, model);
  say({ seconds: (performance.now() - begun) / 1000 });
});
