// A client's store and module checkpoints that earlier versions wrote: this version reads them, and refuses later ones.
import { cpSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  BestLossTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  PerRoundStateCheckpointer,
  parametersSha256,
} from "@perennial-fl/checkpointer";
import { isFederationError } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import { expect } from "chai";
import { reseal } from "../bad-input/damage.js";
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
        const later = await withSchema(directory, name, 99);
        const error: unknown = await clientLife(directory, [3]).catch((reason: unknown) => reason);
        expect(isFederationError(error, "checkpoint/newer-version"), `${name}: ${String(error)}`).to.equal(true);
        expect(await new PerRoundStateCheckpointer(directory).loadCheckpoint(name)).to.deep.equal(later);
      }
    });
    for (const schema of [0, undefined]) {
      it(`is damaged, and of no later version, where the schema is ${schema ?? "not named"}`, async () => {
        for (const name of ["client-fit-0", "client-identity"]) {
          const directory = copyOf(version);
          await withSchema(directory, name, schema);
          const error: unknown = await clientLife(directory, [3]).catch((reason: unknown) => reason);
          expect(isFederationError(error, "checkpoint/corrupt"), `${name}: ${String(error)}`).to.equal(true);
          expect(String(error)).to.match(new RegExp(`${name}.* is damaged: its schema is ${schema}$`));
        }
        const directory = copyOf(version);
        await withSchema(directory, "client-progress", schema);
        expect((await clientLife(directory, [3])).trained).to.deep.equal([{ round: 3, found: undefined }]);
      });
    }
  });
}

/** Saves a state of the store again, with another schema or none. */
async function withSchema(directory: string, name: string, schema: number | undefined): Promise<SavedState> {
  const states = new PerRoundStateCheckpointer(directory);
  const kept = Object.entries(await states.loadCheckpoint(name)).filter(([key]) => key !== "schema");
  const changed: SavedState = { ...Object.fromEntries(kept), ...(schema !== undefined && { schema }) };
  await states.saveCheckpoint(name, changed);
  return changed;
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

describe("a module checkpoint of a later version", () => {
  it("is refused by name as module.safetensors, and left as it is", async () => {
    const directory = copyOf("modules-1");
    const path = join(directory, "module.safetensors");
    reseal(path, '"perennial.schema":"1"', '"perennial.schema":"2"');
    const later = readFileSync(path);
    const options = { module: goldenModule, format: "safetensors" } as const;
    const best = new BestLossTorchModuleCheckpointer(directory, "module.safetensors", options);
    for (const attempt of [() => best.loadCheckpoint(), () => best.maybeCheckpoint(goldenModule, 0, {})]) {
      const error: unknown = await attempt().catch((reason: unknown) => reason);
      expect(isFederationError(error, "checkpoint/newer-version"), String(error)).to.equal(true);
      expect(String(error)).to.match(
        /module\.safetensors has schema 2, and this version of Perennial reads schemas up to/,
      );
    }
    expect(readFileSync(path)).to.deep.equal(later);
  });
});

describe("the golden client", () => {
  it(`has the name ${clientId} in its store, whatever it is told`, async () => {
    const states = new PerRoundStateCheckpointer(copyOf("client-store-1"));
    expect(await states.loadCheckpoint("client-identity")).to.include({ clientId });
  });
});
