// A client's store and module checkpoints that earlier versions wrote: this version reads them, and refuses later ones.
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LatestTorchModuleCheckpointer, PerRoundStateCheckpointer, parametersSha256 } from "@perennial-fl/checkpointer";
import { isFederationError } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import { expect } from "chai";
import { temporaryDirectory } from "../support/temporary.js";
import { clientId, clientLife, goldenModule, halfDone } from "./client.js";

const golden = fileURLToPath(new URL("../../golden/", import.meta.url));

function copyOf(name: string): string {
  const directory = temporaryDirectory();
  cpSync(join(golden, name), directory, { recursive: true });
  return directory;
}

for (const version of readdirSync(golden).filter((name) => name.startsWith("client-store-"))) {
  describe(`the golden ${version}`, () => {
    it("answers what it had answered, goes on from its state, and finds its half-done work", async () => {
      const fresh = await clientLife(temporaryDirectory(), [1, 2, 3]);
      const life = await clientLife(copyOf(version), [1, 2, 3]);
      expect(life.replies).to.deep.equal(fresh.replies);
      expect(life.trained).to.deep.equal([{ round: 3, found: halfDone }]);
      expect(life.stateAtStart).to.deep.equal({ sum: 3 });
    });

    it("is not trusted, and not overwritten, where a later version wrote", async () => {
      for (const name of ["client-fit-0", "client-fit-1", "client-identity", "client-progress"]) {
        const directory = copyOf(version);
        const states = new PerRoundStateCheckpointer(directory);
        const later: SavedState = { ...(await states.loadCheckpoint(name)), schema: 99 };
        await states.saveCheckpoint(name, later);
        const error: unknown = await clientLife(directory, [3]).catch((reason: unknown) => reason);
        expect(isFederationError(error, "checkpoint/newer-version"), `${name}: ${String(error)}`).to.equal(true);
        expect(await states.loadCheckpoint(name)).to.deep.equal(later);
      }
    });
  });
}

describe("golden module checkpoints", () => {
  for (const file of ["module.onnx", "module.safetensors"]) {
    it(`as ${file} are read as they were written`, async () => {
      const latest = new LatestTorchModuleCheckpointer(copyOf("modules-1"), file, { module: goldenModule });
      expect(parametersSha256((await latest.loadCheckpoint()).parameters)).to.equal(
        parametersSha256(goldenModule.parameters),
      );
    });
  }
});

describe("the golden client", () => {
  it(`has the name ${clientId} in its store, whatever it is told`, async () => {
    const states = new PerRoundStateCheckpointer(copyOf("client-store-1"));
    expect(await states.loadCheckpoint("client-identity")).to.include({ clientId });
  });
});
