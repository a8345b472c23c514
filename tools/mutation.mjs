// npm run mutation: gives the engine, the runner, the journal and the writer every small defect there is, one at a time,
// and says which ones no test notices. docs/mutation.md explains those.
//   --share 0.25     a seeded quarter of the mutants (default: all, some hours)   --seed N
//   --only PART      files whose path contains PART
//   --patience 300   seconds for one run of a suite, after which a mutant counts as one that never ends
//   --results FILE   what was judged is appended here and not judged again (default: in the temporary directory)
// Ends with `N passed, N failed`; a survivor that test/mutants/survivors.ts explains counts as passed.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { globSync } from "glob";
import { survivors } from "../test/dist/mutants/survivors.js";
import { mutantsOf } from "./mutants-of.mjs";
import { shared } from "./shared.mjs";

const engineSuites = [
  "test/dist/stories/*.test.js",
  "packages/server/dist/test/*.test.js",
  "test/dist/identities/*.test.js",
];
const writerSuites = [
  "packages/checkpointer/dist/test/{storage,journal,per-round-state,state,recycled-slots}.test.js",
  "packages/checkpointer/dist/test/*.test.js",
  "test/dist/crash/{crash,bit-rot}.test.js",
];
const resume = "test/dist/resume/*.test.js";

/** Files by subject, and the suites that are asked about them, the quick ones first. */
const subjects = [
  { files: "packages/server/dist/src/engine/*.js", suites: [...engineSuites, resume] },
  {
    files: "packages/server/dist/src/{runner,resume,journal-facts,rollback,server-state,migrations,archive}.js",
    suites: [...engineSuites, "test/dist/golden/*.test.js", resume],
  },
  {
    files:
      "packages/checkpointer/dist/src/{journal,directory-log,frames,replace-file,per-round-state-checkpointer,state-file,directory-blobs,recycled-slots,blob-reference,directory-storage}.js",
    suites: [...writerSuites, resume],
  },
];

const text = { type: "string" };
const { values } = parseArgs({ options: { share: text, seed: text, only: text, results: text, patience: text } });
const { share = "1", seed = "1", only = "", results = join(tmpdir(), "perennial-mutation.jsonl") } = values;
const { patience = "300" } = values;

const digest = (...parts) => createHash("sha256").update(parts.join("\0")).digest();
const chosen = subjects.flatMap(({ files, suites }) =>
  globSync(files)
    .sort()
    .filter((file) => file.includes(only))
    .flatMap((file) => {
      const source = readFileSync(file, "utf8");
      const lines = source.split("\n");
      return mutantsOf(source, file).map((mutant) => {
        const id = digest(file, source, mutant.at, mutant.after).toString("hex").slice(0, 16);
        return { ...mutant, id, file, suites, code: lines[mutant.line - 1].trim() };
      });
    })
    .filter(({ id }) => digest(seed, id).readUInt32BE() / 2 ** 32 < Number(share)),
);

const judged = new Map();
if (existsSync(results)) {
  const lines = readFileSync(results, "utf8").split("\n").filter(Boolean);
  for (const { id, verdict } of lines.map((line) => JSON.parse(line))) judged.set(id, verdict);
}

await shared(
  chosen.filter(({ id }) => !judged.has(id)),
  async (mutant) => {
    const verdict = await judge(mutant);
    judged.set(mutant.id, verdict);
    const { id, file, line, change, code } = mutant;
    appendFileSync(results, `${JSON.stringify({ id, verdict, file, line, change, code })}\n`);
    if (verdict === "survived") console.log(`survived: ${file}:${line}, ${change}: ${code}`);
  },
);

/** `survived`, or how the mutant was noticed: by a test that fails, or by a run that ends without a verdict or never. */
async function judge({ file, at, before, after, suites }) {
  for (const suite of suites) {
    const { output, signal } = await run(suite, { file, at, before, after });
    const [, failures] = /^\d+ passed, (\d+) failed/m.exec(output) ?? [];
    if (failures === undefined) return signal === null ? "no verdict" : "no end";
    if (Number(failures) > 0) return "failed";
  }
  return "survived";
}

function run(suite, mutant) {
  const child = spawn(process.execPath, ["tools/test.mjs", suite], {
    env: {
      ...process.env,
      NODE_OPTIONS: `--import ${new URL("./mutate.mjs", import.meta.url).href}`,
      MUTANT: JSON.stringify(mutant),
      CRASH_LIMIT: "16",
    },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 1000 * Number(patience),
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => child.once("close", (_code, signal) => resolve({ output, signal })));
}

let failed = 0;
const tally = new Map();
for (const mutant of chosen) {
  const { file, line, change, code, id } = mutant;
  const verdict = judged.get(id);
  const counts = tally.get(file) ?? { mutants: 0, noticed: 0, explained: 0 };
  tally.set(file, counts);
  counts.mutants++;
  if (verdict !== "survived") counts.noticed++;
  else if (survivors.some((known) => file.endsWith(known.file) && known.code === code && known.change === change))
    counts.explained++;
  else {
    failed++;
    console.log(`✗ not noticed: ${file}:${line}, ${change}: ${code}`);
  }
}
for (const { file, code, change } of survivors) {
  const found = [...tally.keys()].find((each) => each.endsWith(file));
  const lines = found === undefined ? [code] : readFileSync(found, "utf8").split("\n");
  if (lines.some((line) => line.trim() === code)) continue;
  failed++;
  console.log(`✗ explained, and not there any more: ${file}, ${change}: ${code}`);
}
for (const [file, { mutants, noticed, explained }] of tally) {
  console.log(`${file}: ${noticed} of ${mutants} noticed, ${explained} explained`);
}
console.log(`${chosen.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
