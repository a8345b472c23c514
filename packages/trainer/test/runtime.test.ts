// Which runtime is loaded: the native one, the one for the web where that is asked for or the only one, or none.
import { isFederationError } from "@perennial-fl/core";
import { expect } from "chai";
import { loadRuntime } from "../src/runtime.js";
import type { RuntimePackages } from "../src/runtime.js";
import { startTrainer } from "../src/start.js";
import { handmade } from "./handmade.js";

const missing = (): Promise<never> => Promise.reject(new Error("no such package"));
const classes = { InferenceSession: "session", Tensor: "tensor" } as never;
const env = { wasm: { numThreads: 0 } };
const native = (): ReturnType<RuntimePackages["native"]> =>
  Promise.resolve({ ...(classes as object), listSupportedBackends: () => [{ name: "cpu" }] } as never);
const web = (): ReturnType<RuntimePackages["web"]> => Promise.resolve({ ...(classes as object), env } as never);
const cpu = { executionProvider: "cpu", threads: 3 };

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((e: unknown) => e);
  expect(isFederationError(error, "trainer/unavailable")).equal(true);
  return (error as Error).message;
}

describe("A runtime", () => {
  it("is the native one where it can be loaded, without a warning", async () => {
    const { runtime, warning } = await loadRuntime({ ...cpu, runtime: "auto" }, { native, web: missing });
    expect(runtime.type).equal("native");
    expect(warning).equal(undefined);
  });

  it("is the one for the web where the native one cannot be loaded, and that is said", async () => {
    const { runtime, warning } = await loadRuntime({ ...cpu, runtime: "auto" }, { native: missing, web });
    expect([runtime.type, runtime.executionProvider, env.wasm.numThreads]).deep.equal(["web", "wasm", 3]);
    expect(warning).match(/onnxruntime-node failed \(no such package\).*npm install.*onnxruntime-web trains/);
  });

  it("is the one for the web where it is asked for", async () => {
    const { runtime, warning } = await loadRuntime({ ...cpu, runtime: "web" }, { native, web });
    expect([runtime.type, warning]).deep.equal(["web", undefined]);
    expect(await refusal(loadRuntime({ ...cpu, runtime: "web" }, { native, web: missing }))).match(
      /onnxruntime-web failed \(no such package\)/,
    );
  });

  it("is never another than the one asked for", async () => {
    const message = await refusal(loadRuntime({ ...cpu, runtime: "native" }, { native: missing, web }));
    expect(message).match(/onnxruntime-node failed/);
  });

  it("is none where both are missing, and the native one is named", async () => {
    const message = await refusal(loadRuntime({ ...cpu, runtime: "auto" }, { native: missing, web: missing }));
    expect(message).match(/npm install onnxruntime-node/);
  });

  it("does not run on the processor where another was asked for", async () => {
    const cuda = { executionProvider: "cuda", threads: 1 };
    expect(await refusal(loadRuntime({ ...cuda, runtime: "auto" }, { native, web }))).match(/"cuda" here, only cpu/);
    expect(await refusal(loadRuntime({ ...cuda, runtime: "web" }, { native, web }))).match(/"cpu" alone, and "cuda"/);
  });

  it("that is a worker's second choice is told to whoever opens the trainer", async () => {
    const warnings: string[] = [];
    const script = new URL("./programs/warning-worker.js", import.meta.url);
    const setup = { ...cpu, lowerings: [] };
    const trainer = await startTrainer(handmade, script, setup, (message) => warnings.push(message));
    await trainer.close();
    expect(warnings).deep.equal(["running on crutches"]);
  });
});
