// What inspection says of sound and of damaged files, and the way back into a stopped run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { LatestTorchModuleCheckpointer, parametersSha256, PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import { OnnxModule, linear, sequential } from "@perennial-fl/module";
import { resumeCommand } from "../src/command-line.js";
import { exitCodeOf, exitCodes } from "../src/exit-codes.js";
import { FederationError } from "@perennial-fl/core";

const main = fileURLToPath(new URL("../src/main.js", import.meta.url));
const module = sequential([linear(3, 2)], { input: [3], seed: 1 });

describe("perennial inspect", () => {
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "perennial-inspect-"));
    const named = module.withMetadata({ "perennial.run": "r", "perennial.round": "4" });
    await new LatestTorchModuleCheckpointer(folder, "latest.onnx").maybeCheckpoint(named, 0.5, {});
    const state = { kind: "server-state", run: "r", round: 4, parameters: module.parameters, history: [] };
    await new PerRoundStateCheckpointer(folder).saveCheckpoint("server-state", state);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const inspect = (...args: string[]): { status: number | null; facts: Record<string, unknown>[]; stdout: string } => {
    const { status, stdout } = spawnSync(process.execPath, [main, "inspect", ...args], { encoding: "utf8" });
    const facts = args.includes("--json")
      ? stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as Record<string, unknown>)
      : [];
    return { status, facts, stdout };
  };

  it("describes a state directory and every file in it", () => {
    const { status, facts } = inspect(folder, "--json");
    expect(status).to.equal(exitCodes.finished);
    expect(facts.map(({ kind }) => kind)).to.deep.equal(["directory", "module", "server-state"]);
    for (const fact of facts.slice(1)) {
      expect(fact).to.include({
        run: "r",
        round: 4,
        valid: true,
        parametersSha256: parametersSha256(module.parameters),
      });
    }
    expect(facts[1]).to.include({ loss: 0.5, checkpointer: "latest" });
    expect(facts[1]?.["tensors"]).to.deep.equal(["0.weight float32[2, 3]", "0.bias float32[2]"]);
  });

  it("says of a module whether it can be trained, and names every node in the way with what to do", () => {
    const model = { ...module.graph, nodes: module.graph.nodes.map((node) => ({ ...node, opType: "Det" })) };
    const path = join(folder, "model.onnx");
    writeFileSync(path, OnnxModule.fromGraph(model).toBytes());
    const { status, facts } = inspect(path, "--json");
    expect(status).to.equal(exitCodes.finished);
    expect(facts[0]).to.include({ kind: "module", valid: true, trainable: false });
    expect(facts[0]?.["obstacles"]).to.have.length(model.nodes.length);
    expect(inspect(path).stdout).to.match(
      /trainable: no, because of:\n {4}Det node .*: Det of opset 18 is not supported\n {6}what to do: let the module/,
    );
    expect(inspect(join(folder, "latest.onnx")).stdout).to.include("trainable: yes");
  });

  it("does not take offence at a file of somebody else's", () => {
    writeFileSync(join(folder, "notes.txt"), "mine");
    const { status, facts } = inspect(folder, "--json");
    expect(status).to.equal(exitCodes.finished);
    expect(facts.map(({ kind }) => kind)).to.deep.equal(["directory", "module", "unknown", "server-state"]);
    expect(inspect(folder).stdout).to.contain("notes.txt: unknown, none of ours\n");
  });

  it("says what privacy a run has spent", async () => {
    const spendings = [{ sampleRate: 0.01, noiseMultiplier: 4, rounds: 10_000 }];
    const state = { kind: "server-state", strategyState: { inner: null, clippingNorm: 1, spendings } };
    await new PerRoundStateCheckpointer(folder).saveCheckpoint("private", state);
    expect(inspect(join(folder, "private")).stdout).to.match(/privacySpent: epsilon 1\.03\d at delta 0\.00001/);
  });

  it("tells a person the same", () => {
    const { stdout } = inspect(join(folder, "latest.onnx"));
    expect(stdout).to.contain("latest.onnx: module, valid\n  run: r\n  round: 4\n  loss: 0.5\n");
    expect(stdout).to.contain("    0.weight float32[2, 3]\n");
  });

  it("says what is wrong with a damaged file, and exits with its code", () => {
    const path = join(folder, "server-state");
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    writeFileSync(path, bytes);
    const { status, facts } = inspect(folder, "--json");
    expect(status).to.equal(exitCodes.unusableFile);
    expect(facts[0]).to.include({ kind: "directory", valid: false });
    const damaged = facts.find(({ valid, kind }) => valid === false && kind !== "directory");
    expect(damaged?.["path"]).to.equal(path);
    expect(damaged?.["problem"]).to.match(/damaged|digest/);
  });
});

describe("a stopped run", () => {
  const argv = [
    "node",
    "/usr/bin/perennial",
    "server",
    "--state-dir",
    "my runs",
    "--address",
    "h:0",
    "--resume",
    "never",
  ];

  it("is resumed by the same command, with the port that clients know and without refusing itself", () => {
    expect(resumeCommand({ argv, npx: false, boundAddress: "h:4321" })).to.equal(
      "perennial server --state-dir 'my runs' --address h:4321 --resume auto",
    );
  });

  it("leaves the app's arguments alone", () => {
    const client = ["node", "/x/main.js", "client", "--", "--resume", "never", "it's"];
    expect(resumeCommand({ argv: client, npx: false })).to.equal(`node /x/main.js client -- --resume never 'it'\\''s'`);
  });
});

describe("an exit code", () => {
  it("follows from the error's code, and from nothing else", () => {
    expect(exitCodeOf(new FederationError("plan/mismatch", ""))).to.equal(exitCodes.otherRun);
    expect(exitCodeOf(new FederationError("storage/locked", ""))).to.equal(exitCodes.storage);
    expect(exitCodeOf(new Error("assertion failed"))).to.equal(exitCodes.unexpected);
  });
});
