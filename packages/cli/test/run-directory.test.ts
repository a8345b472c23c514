// A run's directory at the command line: verified, rolled back, and gone on with from nothing but itself.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linear, sequential } from "@perennial-fl/module";
import { expect } from "chai";
import { exitCodes } from "../src/exit-codes.js";

const main = fileURLToPath(new URL("../src/main.js", import.meta.url));
const app =
  "export default { fit: (parameters) => ({ parameters, numExamples: 1 }), evaluate: () => ({ loss: 1, numExamples: 1 }) };";

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe("perennial resume, verify and rollback", function () {
  this.timeout(60_000);
  let folder: string;
  const started: ChildProcessWithoutNullStreams[] = [];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "perennial-run-directory-"));
    writeFileSync(join(folder, "model.onnx"), sequential([linear(2, 1)], { input: [2], seed: 1 }).toBytes());
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "app.js"), app);
    const kept = "--keep-states every=1 --keep-modules first,last=1";
    await federation(
      `server --module model.onnx --rounds 3 --min-clients 1 --address 127.0.0.1:0 --json ${kept} --state-dir run`,
    );
    // From here on the directory must do.
    renameSync(join(folder, "model.onnx"), join(folder, "elsewhere.onnx"));
  });
  after(() => {
    for (const child of started) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  function perennial(typed: string, onLine: (line: string) => void = () => undefined): Promise<Ended> {
    const child = spawn(process.execPath, [main, ...typed.split(" ")], { cwd: folder });
    started.push(child);
    let [stdout, stderr] = ["", ""];
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      text.split("\n").forEach(onLine);
    });
    return new Promise((resolve) => {
      child.once("close", (code) => {
        resolve({ code, stdout, stderr });
      });
    });
  }

  /** A server and one client, to the end of both. Resolves to the events of the server. */
  async function federation(typed: string): Promise<Record<string, unknown>[]> {
    let client: Promise<Ended> | undefined;
    const { code, stdout, stderr } = await perennial(typed, (line) => {
      const [, address] = /"type":"listening","address":"([^"]+)"/.exec(line) ?? [];
      if (address !== undefined)
        client ??= perennial(`client --server ${address} --id ada --state-dir ada --app app.js`);
    });
    expect(stderr).to.equal("");
    expect(code).to.equal(exitCodes.finished);
    expect((await client)?.code).to.equal(exitCodes.finished);
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it("keep the models that the policy names", () => {
    const models = readdirSync(join(folder, "run")).filter((name) => name.startsWith("model."));
    expect(models).to.deep.equal(["model.round-1.onnx", "model.round-3.onnx"]);
  });

  it("find nothing wrong with a finished run", async () => {
    const { code, stdout } = await perennial("verify run");
    expect(code).to.equal(exitCodes.finished);
    expect(stdout).to.match(/^run: whole; \d+ files and 0 results of the open round were read\n$/);
  });

  it("name what is damaged, and exit with its code", async () => {
    const path = join(folder, "run", "server-state.round-1");
    const bytes = readFileSync(path);
    const damaged = Buffer.from(bytes);
    damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1;
    writeFileSync(path, damaged);
    const { code, stdout } = await perennial("verify run --json");
    writeFileSync(path, bytes);
    expect(code).to.equal(exitCodes.unusableFile);
    expect(JSON.parse(stdout)).to.deep.include({
      findings: [
        {
          path: "run/server-state.round-1",
          problem: "run/server-state.round-1 is damaged: its digest does not match its bytes",
        },
      ],
    });
  });

  it("name a state that is not the one its name says", async () => {
    const at = (round: number) => join(folder, "run", `server-state.round-${round}`);
    const bytes = readFileSync(at(1));
    writeFileSync(at(1), readFileSync(at(2)));
    const { stdout } = await perennial("verify run");
    writeFileSync(at(1), bytes);
    expect(stdout).to.contain("✗ run/server-state.round-1: its name says round 1, and it is of round 2\n");
  });

  it("take the run back, and go on with it from nothing but its directory", async () => {
    const { code, stdout } = await perennial("rollback run --to 1");
    expect(code).to.equal(exitCodes.finished);
    expect(stdout).to.match(/^run \S+ is back at round 1, from round 3; perennial resume run goes on\n$/);
    const events = await federation("resume run --rounds 4 --json");
    expect(events.find(({ type }) => type === "resumed")).to.include({ round: 1, roundOpen: false });
    expect(events.at(-1)).to.include({ type: "finished", round: 4 });
    const opened = events.filter(({ type }) => type === "round-opened");
    expect(opened.map(({ round }) => round)).to.deep.equal([2, 3, 4]);
  });

  it("refuse a directory that holds no run, in one line", async () => {
    rmSync(join(folder, "ada"), { recursive: true });
    const refused = await Promise.all(
      ["resume ada", "rollback ada --to 1", "verify ada", "resume elsewhere.onnx"].map((typed) => perennial(typed)),
    );
    expect(refused.map(({ code }) => code)).to.deep.equal([
      exitCodes.otherRun,
      exitCodes.otherRun,
      exitCodes.unusableFile,
      exitCodes.storage,
    ]);
    for (const { stderr } of refused) expect(stderr).to.match(/^error: .*\n$/);
  });
});
