// Makes the golden directory of the present version: `node test/dist/golden/make.js DIRECTORY`, once per version.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parametersSha256 } from "@perennial-fl/checkpointer";
import { Cut, cutAfter, federation } from "./federation.js";

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("usage: node test/dist/golden/make.js DIRECTORY");
mkdirSync(directory);
await federation(directory, { cutAfter }).catch((error: unknown) => {
  if (!(error instanceof Cut)) throw error;
});
const whole = await federation(mkdtempSync(join(tmpdir(), "perennial-golden-")));
writeFileSync(join(directory, "expected.json"), `${JSON.stringify({ final: parametersSha256(whole.parameters) })}\n`);
