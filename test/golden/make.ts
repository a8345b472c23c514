// Makes the golden directories of the present version, once per version:
// `node test/dist/golden/make.js server|client|modules DIRECTORY`.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LatestTorchModuleCheckpointer, parametersSha256 } from "@perennial-fl/checkpointer";
import { clientLife, goldenModule } from "./client.js";
import { Cut, cutAfter, federation } from "./federation.js";

const [what, directory] = process.argv.slice(2);
const makers: Record<string, (directory: string) => Promise<unknown>> = {
  client: (into) => clientLife(into, [1, 2, 3], 3),
  async modules(into) {
    for (const format of ["onnx", "safetensors"] as const) {
      const latest = new LatestTorchModuleCheckpointer(into, `module.${format}`, { format });
      await latest.maybeCheckpoint(goldenModule, 0.5, {});
    }
  },
  async server(into) {
    await federation(into, { cutAfter }).catch((error: unknown) => {
      if (!(error instanceof Cut)) throw error;
    });
    const whole = await federation(mkdtempSync(join(tmpdir(), "perennial-golden-")));
    writeFileSync(join(into, "expected.json"), `${JSON.stringify({ final: parametersSha256(whole.parameters) })}\n`);
  },
};
const make = makers[what ?? ""];
if (make === undefined || directory === undefined) {
  throw new Error(`usage: node test/dist/golden/make.js ${Object.keys(makers).join("|")} DIRECTORY`);
}
mkdirSync(directory);
await make(directory);
