// Sessions: how many are made for the graphs of a call.
import { expect } from "chai";
import { graphPair } from "../src/graphs.js";
import { newLifeline } from "../src/lifeline.js";
import type { EvaluationGraph } from "../src/protocol.js";
import { loadRuntime } from "../src/runtime.js";
import { openSessions } from "../src/sessions.js";
import { handmade } from "./handmade.js";

const setup = { threads: 1, executionProvider: "cpu", lowerings: [], lifeline: newLifeline() };

/** Sessions of a real runtime, and how many it has made. */
async function counted() {
  const { runtime } = await loadRuntime(setup);
  const made = { count: 0 };
  const InferenceSession = {
    ...runtime.InferenceSession,
    create: ((bytes: Uint8Array) => {
      made.count++;
      return runtime.InferenceSession.create(bytes);
    }) as typeof runtime.InferenceSession.create,
  };
  const sessions = openSessions({ ...runtime, InferenceSession }, setup);
  const sum = async (graph: EvaluationGraph): Promise<number> => {
    const ones = (shape: readonly number[]) =>
      new runtime.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape);
    const results = await sessions.run(graph, {
      x: ones(graph.inputShape),
      t: new runtime.Tensor("int64", new BigInt64Array(graph.batchSize), graph.targetShape),
      w: ones([2, 3]),
      b: ones([3]),
    });
    return Number(results["loss"]!.data[0]);
  };
  return { made, sum };
}

describe("The sessions of a trainer", () => {
  it("are one for full batches and the last one, whichever comes first", async () => {
    const { made, sum } = await counted();
    const { full, rest } = graphPair(handmade.evaluation, 20, 8);
    expect(await sum(rest!)).to.be.closeTo(4 * Math.log(3), 1e-5);
    expect(await sum(full!)).to.be.closeTo(8 * Math.log(3), 1e-5);
    expect(await sum(rest!)).to.be.closeTo(4 * Math.log(3), 1e-5);
    expect(made.count).to.equal(1);
  });

  it("are one each where the graphs are too different", async () => {
    const { made, sum } = await counted();
    const { full } = graphPair(handmade.evaluation, 20, 8);
    const other = { ...handmade.evaluation(4), bytes: new Uint8Array(9) };
    const [a, b] = [
      { ...full!, sibling: other },
      { ...other, sibling: full! },
    ];
    expect(await sum(a)).to.be.closeTo(8 * Math.log(3), 1e-5);
    expect(await sum(a)).to.be.closeTo(8 * Math.log(3), 1e-5);
    expect(made.count).to.equal(1);
    expect(await sum(b).catch((error: unknown) => error)).to.be.an("error");
    expect(made.count).to.equal(2);
  });
});
