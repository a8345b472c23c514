// Removes everything that `npm run build` made.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const folders = [
  "test",
  "bench",
  ...["packages", "examples"].flatMap((group) => readdirSync(group).map((name) => join(group, name))),
];
for (const folder of folders) {
  rmSync(join(folder, "dist"), { recursive: true, force: true });
  rmSync(join(folder, "tsconfig.tsbuildinfo"), { force: true });
}
