// The real command as a process: an output that nobody reads, an app that fails behind our back, directories left alone.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { linear, sequential } from "@perennial-fl/module";
import { exitCodes } from "../src/exit-codes.js";

const main = fileURLToPath(new URL("../src/main.js", import.meta.url));
const serving = "server --module model.onnx --rounds 1 --min-clients 1 --address 127.0.0.1:0 --json --state-dir";
const taking = "client --server 127.0.0.1:9 --id ada --give-up-after 0.001 --state-dir own --app";

describe("the command as a process", () => {
  let folder: string;
  const started: ChildProcessWithoutNullStreams[] = [];
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perennial-process-"));
    writeFileSync(join(folder, "model.onnx"), sequential([linear(2, 1)], { input: [2], seed: 1 }).toBytes());
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "good.js"), "export default { fit() {}, evaluate() {} };\n");
    writeFileSync(
      join(folder, "forgets.js"),
      'export default () => { Promise.reject(new Error("no\\ndata")); return { fit() {}, evaluate() {} }; };\n',
    );
  });
  after(() => {
    for (const child of started) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  function perennial(typed: string): {
    child: ChildProcessWithoutNullStreams;
    ended: Promise<{ code: number | null; stderr: string }>;
  } {
    const child = spawn(process.execPath, [main, ...typed.split(" ")], { cwd: folder });
    started.push(child);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
      child.once("close", (code) => {
        resolve({ code, stderr });
      });
    });
    return { child, ended };
  }

  it("goes on serving when nobody reads what it says", async () => {
    const { child, ended } = perennial(`${serving} served`);
    let address = "";
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { type: string; address?: string };
      if (event.type === "listening") address = event.address ?? "";
      if (event.type === "waiting") break;
    }
    child.stdout.destroy();
    // Each join is a line that cannot be written any more; the run ends because the server still serves.
    const app =
      "export default { fit: (parameters) => ({ parameters, numExamples: 1 }), evaluate: () => ({ loss: 1, numExamples: 1 }) };";
    writeFileSync(join(folder, "trains.js"), app);
    const client = perennial(`client --server ${address} --id ada --state-dir ada --app trains.js`);
    client.child.stdout.resume();
    expect(await client.ended).to.deep.equal({ code: exitCodes.finished, stderr: "" });
    expect(await ended).to.deep.equal({ code: exitCodes.finished, stderr: "" });
  });

  it("says in one line that an app failed where nobody waited, and exits with its code", async () => {
    const { child, ended } = perennial(`${taking.replace("0.001", "60")} forgets.js`);
    child.stdout.resume();
    expect(await ended).to.deep.equal({
      code: exitCodes.failed,
      stderr: "error: --app forgets.js failed where nobody waited: no data (client/failed)\n",
    });
    rmSync(join(folder, "own"), { recursive: true });
  });

  it("says nothing but one line of its own when no server answers", async () => {
    const { child, ended } = perennial(`${taking} good.js`);
    child.stdout.resume();
    const { code, stderr } = await ended;
    expect(code).to.equal(exitCodes.network);
    expect(stderr).to.match(/^error: no server answers at 127\.0\.0\.1:9: .*\n$/);
    rmSync(join(folder, "own"), { recursive: true });
  });

  const refusals: readonly [typed: string, directory: string, code: number][] = [
    [`${serving} state --resume require`, "state", exitCodes.otherRun],
    [`${taking} missing.js`, "own", exitCodes.usage],
    [`${taking} good.js`.replace("--id ada", "--id ../ada"), "own", exitCodes.usage],
  ];
  for (const [typed, directory, expected] of refusals) {
    it(`leaves no directory behind after: perennial ${typed}`, async () => {
      const { child, ended } = perennial(typed);
      child.stdout.resume();
      expect((await ended).code).to.equal(expected);
      expect(existsSync(join(folder, directory))).to.equal(false);
    });
  }

  it("stops a training at Ctrl-C with everything saved, says how to go on, and goes on there", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${Math.sin(i)},${Math.cos(i)},${Math.tan(i)}`);
    writeFileSync(join(folder, "data.csv"), ["a,b,y", ...rows].join("\n"));
    const training = "train --module model.onnx --data data.csv --loss mse --batch-size 4 --state-dir trained --json";
    type Said = { type: string; epoch: number; step: number };
    const said = async ({ stdout }: ChildProcessWithoutNullStreams, hear: (event: Said) => void): Promise<void> => {
      for await (const line of createInterface({ input: stdout })) hear(JSON.parse(line) as Said);
    };
    const first = perennial(`${training} --epochs 1000000`);
    const events: Said[] = [];
    await said(first.child, (event) => {
      events.push(event);
      if (event.type === "epoch-ended" && event.epoch === 2) first.child.kill("SIGINT");
    });
    const { code, stderr } = await first.ended;
    expect(code).to.equal(exitCodes.interrupted);
    expect(stderr).to.match(/^to resume: node .*main\.js train --module model\.onnx .*--epochs 1000000\n$/);
    const last = events.at(-1);
    // Between two epochs the end of the epoch has saved everything.
    const place = last?.type === "saved" ? last : { epoch: (last?.epoch ?? 0) + 1, step: 0 };

    const second = perennial(`${training} --epochs ${place.epoch.toString()} --resume require`);
    const again: Said[] = [];
    await said(second.child, (event) => again.push(event));
    expect((await second.ended).code).to.equal(exitCodes.finished);
    expect(again.find(({ type }) => type === "resumed")).to.include({ epoch: place.epoch, step: place.step });
    expect(again.at(-1)?.type).to.equal("finished");
  });
});
