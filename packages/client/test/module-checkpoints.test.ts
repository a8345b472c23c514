// Tests of a client's checkpointers: none stands in another's way, and each knows its run and round.
import { expect } from "chai";
import { isFederationError } from "@perennial-fl/core";
import { LatestTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { TorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { OnnxModule } from "@perennial-fl/module";
import { checkPaths, offer } from "../src/module-checkpoints.js";
import { keyOf } from "./support/questions.js";

describe("the checkpointers of a module client", () => {
  it("may not write one file, however its path is spelled", () => {
    const dir = "/data/models";
    const clash = [
      new LatestTorchModuleCheckpointer(dir, "best.onnx"),
      new LatestTorchModuleCheckpointer(`${dir}/../models/.`, "best.onnx"),
    ];
    let error: unknown;
    try {
      checkPaths(clash);
    } catch (thrown) {
      error = thrown;
    }
    expect(isFederationError(error, "argument/invalid")).to.equal(true);
    expect(String(error)).to.include("/data/models/best.onnx");
    checkPaths([clash[0]!, new LatestTorchModuleCheckpointer(dir, "latest.onnx")]);
  });

  it("are each offered the module with its run and round, also after one has failed", async () => {
    const offered: unknown[] = [];
    const warnings: string[] = [];
    const module = { withMetadata: (metadata: object) => metadata } as unknown as OnnxModule;
    const checkpointer = (path: string, failure?: Error): TorchModuleCheckpointer =>
      ({
        checkpointPath: path,
        maybeCheckpoint: (given: unknown, loss: number) => {
          if (failure) return Promise.reject(failure);
          offered.push([given, loss]);
          return Promise.resolve();
        },
      }) as unknown as TorchModuleCheckpointer;
    await offer(
      [checkpointer("/a", new Error("disk full")), checkpointer("/b")],
      { module, loss: 0, metrics: {} },
      {
        clientId: "a",
        key: keyOf("fit", 3),
        signal: new AbortController().signal,
        warn: (message) => warnings.push(message),
      },
    );
    expect(offered).to.deep.equal([[{ "perennial.run": "r", "perennial.round": "3" }, 0]]);
    expect(warnings).to.deep.equal(["the checkpoint /a was not written: disk full"]);
  });
});
