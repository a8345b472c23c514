// Aggregation from memory, ours against Flower's functions, each side in a process of its own.
import type { AggregationRule } from "@perennial-fl/strategy";
import { ownProgram } from "./federation.js";
import type { Benchmark, Contender } from "./harness.js";
import type { Process } from "./process.js";
import { startProcess } from "./process.js";
import { peerScript, pythonWith } from "./python.js";

interface Subject {
  readonly rule: AggregationRule;
  readonly megabytes: number;
  readonly goal?: number;
}

const clients = 10;

const subjects: readonly Subject[] = [
  { rule: { name: "mean" }, megabytes: 100, goal: 0.4 },
  { rule: { name: "exact-mean" }, megabytes: 100 },
  { rule: { name: "median" }, megabytes: 25, goal: 0.7 },
  { rule: { name: "trimmed-mean", beta: 0.2 }, megabytes: 25, goal: 0.7 },
  { rule: { name: "krum", malicious: 2, keep: 0 }, megabytes: 25, goal: 0.7 },
];

export const aggregationBenchmarks: readonly Benchmark[] = subjects.map(({ rule, megabytes, goal }) => ({
  name: `aggregation of ${clients} x ${megabytes} MB by ${rule.name}`,
  measures: [{ name: "", unit: "s", ...(goal !== undefined && { goal: { ratio: goal } }) }],
  warmUps: 1,
  repetitions: { full: 5, quick: 2 },
  open: () => asked(ownProgram("aggregate-ours.js", JSON.stringify(rule), clients, megabytes)),
  peer: {
    name: "Flower",
    open: async () => {
      const { command } = await pythonWith("flwr");
      // Flower has no exact mean: it is held against the plain one.
      const name = rule.name === "exact-mean" ? "mean" : rule.name;
      const numbers = [clients, megabytes * 1e6].map(String);
      return asked(startProcess(command, [peerScript("flower_aggregate.py"), name, ...numbers]));
    },
  },
}));

async function asked(process: Process): Promise<Contender> {
  await process.said();
  return {
    async measure() {
      process.tell("again");
      return [(await process.said<{ seconds: number }>()).seconds];
    },
    close: () => process.end(),
  };
}
