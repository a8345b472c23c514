// The reliability scorecard: runs the suites that prove what is promised of durability, prints what they found beside
// what is wanted, and writes docs/scorecard.md. `--long` takes hours instead of minutes. Ends with `N passed, N failed`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

const long = process.argv.includes("--long");
const pick = (short, more) => String(long ? more : short);
const directory = mkdtempSync(join(tmpdir(), "perennial-scorecard-"));

/** Runs compiled tests and gives their counts, their figures, what they printed, and the seconds they took. */
async function suite(name, globs, env = {}) {
  const path = join(directory, `${name}.jsonl`);
  writeFileSync(path, "");
  const began = performance.now();
  const child = spawn(process.execPath, ["tools/test.mjs", ...globs], {
    env: { ...process.env, ...env, FIGURES: path },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  await new Promise((resolve) => child.once("close", resolve));
  const [, passed = 0, failed = 1] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
  const seconds = Math.round((performance.now() - began) / 1000);
  const ok = Number(failed) === 0 && Number(passed) > 0;
  console.log(`${ok ? "✓" : "✗"} ${name}: ${passed} passed, ${failed} failed in ${seconds} s`);
  if (!ok) console.log(output.slice(-4000));
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return { ok, passed: Number(passed), output, figures: lines.map((line) => JSON.parse(line)) };
}

const of = ({ figures }, name) => figures.filter((figure) => figure.name === name);
const sum = (figures, key) => figures.reduce((total, figure) => total + figure[key], 0);
const max = (figures, key) => Math.max(0, ...figures.map((figure) => figure[key]));
const rows = [];
const row = (number, what, figure, goal, met) => rows.push({ number, what, figure, goal, met });

const crash = await suite("power loss", ["test/dist/crash/{crash,server}.test.js"], { CRASH_LIMIT: pick(256, 8192) });
const states = of(crash, "crash states");
const [recovered, violations, flagged] = ["recovered", "violations", "flagged"].map((key) => sum(states, key));
row(
  1,
  "crash states, recovered by the real code",
  `${sum(states, "states")} came about, ${recovered} of them different; ${violations} violations; ${flagged} of 6 wrong writers flagged`,
  `${pick(5000, 50000)} states, 0 violations, 6 of 6`,
  crash.ok && recovered >= Number(pick(5000, 50000)) && violations === 0 && flagged === 6,
);

const faults = await suite("faults", ["test/dist/crash/faults.test.js"], { FAULTS: "all" });
const cases = sum(of(faults, "calls x faults"), "cases");
row(
  2,
  "every call of the disk × every fault, once and for good",
  `${cases} cases; nothing acknowledged lost, no writer stuck, no file left open`,
  "exhaustive, at least 400 cases",
  faults.ok && cases >= 400,
);

const wantedKills = Number(pick(200, 2000));
const kill = await suite("kills", ["test/dist/kill/*.test.js"], { KILLS: String(wantedKills) });
const counted = /(\d+) kills of servers \((\d+) between[^)]*\) and (\d+) of clients.*; (\d+) acknowledgements/;
const [, servers = 0, midRound = 0, clients = 0, lookedUp = 0] = counted.exec(kill.output) ?? [];
row(
  3,
  "SIGKILL of real processes at random instants; SIGSTOP and SIGCONT",
  `${servers} servers (${midRound} between an acceptance and a commit), ${clients} clients; ${lookedUp} acknowledgements looked up on disk, none missing`,
  `${wantedKills} servers, ${wantedKills / 4} clients, 0 bad`,
  kill.ok && Number(servers) >= wantedKills && Number(clients) >= wantedKills / 4,
);

const failpoints = await suite("failpoints", ["test/dist/failpoints/*.scorecard.js"]);
const fired = of(failpoints, "failpoints");
row(
  4,
  "named failpoints in a live federation × kill, error, delay, pause",
  `${sum(fired, "points")} interferences at ${sum(fired, "points") / 4} points, all recovered`,
  "30 points × 4",
  failpoints.ok && sum(fired, "points") >= 120,
);

const resume = await suite("resumption", ["test/dist/resume/*.test.js", "test/dist/stories/*.test.js"]);
row(
  5,
  "the bytes of an uninterrupted run",
  "equal after every round of rows 1 (real server), 3 and 4, and for cuts before and after every command",
  "SHA-256 equal at 100 %",
  resume.ok && kill.ok && failpoints.ok && crash.ok,
);

const wantedSeeds = Number(pick(200, 10_000));
const simulation = await suite("simulation", ["test/dist/simulation/seeds.scorecard.js"], {
  SEEDS: String(wantedSeeds),
});
const [weather] = of(simulation, "simulation");
row(
  6,
  "seeds of whole federations in virtual weather: loss, partitions, crashes, pauses, failing, full, lying and rotting disks",
  `${weather?.seeds ?? 0} seeds, ${weather?.violated ?? "?"} violations; ${weather?.refused ?? "?"} refused to go on after their disk had lied or rotted; ${weather?.events} events, ${weather?.accepted} results; an update within 2 rounds after the weather in all of ${weather?.judged}`,
  `${wantedSeeds} seeds, 0 violations, progress within 2 rounds`,
  simulation.ok && weather?.seeds === wantedSeeds,
);

const rot = await suite("bit rot", ["test/dist/crash/bit-rot.test.js"], { ROT: pick(10_000, 200_000) });
const [found] = of(rot, "bit rot");
row(
  7,
  "damaged files",
  `${found?.noticed ?? 0} damages noticed, 0 not; ${found?.askedAgain ?? 0} more cut off the end of a journal, as a torn append would, so that clients are asked again`,
  `100 % of ${pick(10_000, 200_000)}; one generation back; never a silent fresh start`,
  rot.ok && (found?.noticed ?? 0) + (found?.askedAgain ?? 0) >= Number(pick(10_000, 200_000)),
);

const disk = await suite("full disk", ["test/dist/crash/full-disk.test.js"]);
const filled = of(disk, "disk full");
row(
  8,
  "a disk that is really full",
  filled.length === 0
    ? "skipped: no small disk could be mounted here"
    : `${sum(filled, "steps")} steps of 64 KiB, full at ${sum(filled, "full")}; last good contents kept, path and bytes named, healed without a restart`,
  "every step from four checkpoints to none",
  disk.ok && filled.length === 3,
);

const repeats = await suite("repeats", ["test/dist/crash/repeats.test.js"]);
const [copies] = of(repeats, "repeats");
const [stale] = of(repeats, "stale answers");
row(9, "repeated answers", `${copies?.runs ?? 0} runs, up to 5 copies of each answer`, "counted once", repeats.ok);
row(
  10,
  "answers of another run, round or attempt",
  `${stale?.refused ?? 0} of ${stale?.sent ?? 0} refused, the model's bytes unchanged`,
  "100 % refused",
  repeats.ok,
);

const dropout = await suite("dropout", ["test/dist/simulation/dropout.scorecard.js"]);
const [tenth, half] = of(dropout, "dropout");
row(
  11,
  "clients that drop out: 13 asked for 10, 7 make a round",
  `at 10 %: ${tenth?.committed ?? 0} of ${tenth?.rounds ?? 0} rounds; at 50 %: ${half?.committed ?? 0} of ${half?.rounds ?? 0}, the others skipped with the model's bytes unchanged`,
  "at 10 %: 99.9 % of 1000 rounds; at 50 %: the run ends, a missed quorum changes nothing",
  dropout.ok,
);

const restarts = of(failpoints, "restart");
row(
  12,
  "clients return after their server was killed",
  `at most ${max(restarts, "backMs")} ms over ${sum(restarts, "restarts")} restarts; no finished training was run again (row 3)`,
  "10 s; 0 run again",
  failpoints.ok && kill.ok && restarts.length > 0 && max(restarts, "backMs") <= 10_000,
);
row(
  13,
  "from the start of a server's process until it has resumed",
  `at most ${max(restarts, "upMs")} ms over ${sum(restarts, "restarts")} restarts`,
  "2 s",
  failpoints.ok && restarts.length > 0 && max(restarts, "upMs") <= 2000,
);

const soak = await suite("a long run", ["test/dist/crash/soak.scorecard.js"], { SOAK: pick(500, 10_000) });
const [grown] = of(soak, "soak");
row(
  19,
  "a long run: 200 simulated clients in the server's process, 20 a round",
  `${grown?.rounds} rounds: RSS ${grown?.rssPerHundred} MB, heap ${grown?.heapPerHundred} MB per 100 rounds; ${grown?.openFiles} more open files, ${grown?.files} more files`,
  `${pick(500, 10_000)} rounds, under 1 MB per 100 rounds, nothing more`,
  soak.ok,
);

const versions = await suite("versions", ["test/dist/bad-input/states.test.js", "test/dist/tidy.test.js"]);
row(
  20,
  "versions (in part: nothing was released yet that could be migrated)",
  "a file of a later version is refused by name; floors of dependencies hold",
  "refused, enforced",
  versions.ok,
);

rmSync(directory, { recursive: true });
const table = [
  "| row | what | found | wanted | |",
  "| --- | --- | --- | --- | --- |",
  ...rows.map(
    ({ number, what, figure, goal, met }) => `| ${number} | ${what} | ${figure} | ${goal} | ${met ? "✓" : "✗"} |`,
  ),
];
const head = [
  "# Reliability scorecard",
  "",
  `Written by \`npm run scorecard${long ? " -- --long" : ""}\` on Node ${process.versions.node}, ${process.platform}, ${cpus().length} cores. What the rows`,
  "prove, and what not, stands in [durability.md](durability.md). Rows that are missing have no suite here.",
];
writeFileSync("docs/scorecard.md", [...head, "", ...table, ""].join("\n"));
console.log(table.join("\n"));
const missed = rows.filter(({ met }) => !met).length;
console.log(`${rows.length - missed} passed, ${missed} failed`);
process.exit(missed > 0 ? 1 : 0);
