// A module of 300 MB is inspected, trained, stopped and gone on with, in bounded memory. Too slow for every test run:
// `npm run test:large`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { float32, zeros } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";
import { expect } from "chai";
import { temporaryDirectory } from "../support/temporary.js";

const [inputs, hidden, classes] = [16, 3_600_000, 4];
const mib = 2 ** 20;

/** Two layers of 300 MB together; small numbers without a pattern, cheaply. */
function largeModule(): OnnxModule {
  const weights = (rows: number, columns: number) =>
    float32(
      [rows, columns],
      new Float32Array(rows * columns).map((_, i) => ((i * 7919) % 1009) / 1009 / 1000 - 0.0005),
    );
  const node = (opType: string, given: string[], output: string) => ({
    name: opType + output,
    opType,
    domain: "",
    inputs: given,
    outputs: [output],
    attributes: {},
  });
  return OnnxModule.fromGraph({
    name: "large",
    opset: 18,
    domains: {},
    nodes: [
      node("Gemm", ["x", "first.weight", "first.bias"], "h"),
      node("Relu", ["h"], "r"),
      node("MatMul", ["r", "second.weight"], "y"),
    ],
    inputs: [{ name: "x", dtype: "float32", shape: ["n", inputs] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["n", classes] }],
    initializers: new Map([
      ["first.weight", weights(inputs, hidden)],
      ["first.bias", zeros("float32", [hidden])],
      ["second.weight", weights(hidden, classes)],
    ]),
    valueInfos: [],
  });
}

/** Runs the command and measures what it held at most, in MiB. */
async function perennial(dir: string, ...args: string[]) {
  const main = fileURLToPath(import.meta.resolve("perennial-fl/package.json")).replace(
    "package.json",
    "dist/src/main.js",
  );
  const probe = join(dir, "probe.mjs");
  const peak = join(dir, "peak");
  writeFileSync(
    probe,
    `import { writeFileSync } from "node:fs";
    import { peakBytes } from ${JSON.stringify(new URL("../support/peak-memory.js", import.meta.url).href)};
    process.on("exit", () => writeFileSync(${JSON.stringify(peak)}, String(peakBytes() / 2 ** 20)));`,
  );
  const child = spawn(process.execPath, ["--import", probe, main, ...args], { cwd: dir });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { exit: child.exitCode, stdout, stderr, peak: Number(readFileSync(peak, "utf8")) };
}

describe("A module of 300 MB", () => {
  it("is inspected and trained to its end, in memory for ten of it at most", async () => {
    const dir = temporaryDirectory();
    const file = openSync(join(dir, "large.onnx"), "w");
    writeSync(file, largeModule().toBytes());
    closeSync(file);
    const size = statSync(join(dir, "large.onnx")).size / mib;
    expect(size).to.be.greaterThan(280);
    const rows = Array.from({ length: 8 }, (_, i) =>
      [...Array.from({ length: inputs }, (_, j) => Math.sin(i * inputs + j).toFixed(3)), i % classes].join(),
    );
    writeFileSync(
      join(dir, "data.csv"),
      [Array.from({ length: inputs + 1 }, (_, i) => `c${i}`).join(), ...rows].join("\n"),
    );

    const inspected = await perennial(dir, "inspect", "large.onnx");
    expect(inspected.stdout).to.include("trainable: yes");
    const options = ["--module", "large.onnx", "--data", "data.csv", "--validation", "0", "--optimizer", "sgd"];
    const training = ["train", ...options, "--learning-rate", "0.01", "--batch-size", "4", "--state-dir", "run"];
    const first = await perennial(dir, ...training, "--epochs", "1");
    expect(first.stderr).to.equal("");
    const second = await perennial(dir, ...training, "--epochs", "2", "--json");
    expect(second.stdout).to.match(/"type":"resumed","epoch":2,"step":0/);
    expect(second.exit).to.equal(0);
    for (const { peak } of [inspected, first, second]) expect(peak).to.be.below(10 * size);
    const peaks = [inspected, first, second].map(({ peak }) => `${(peak / size).toFixed(1)} x`).join(", ");
    console.log(`    ${size.toFixed(0)} MiB: inspect, train, resume held ${peaks} of it at most`);
  }).timeout(600_000);
});
