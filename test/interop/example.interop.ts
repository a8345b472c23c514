// examples/flower-peers as a person runs it.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { temporaryDirectory } from "../support/temporary.js";
import { describeWithPeers } from "./peers.js";
import { interpreters, pythonWith } from "./python.js";

const main = fileURLToPath(new URL("../../../examples/flower-peers/dist/src/main.js", import.meta.url));

function run(python: string, temporary = temporaryDirectory()) {
  const env = { ...process.env, PERENNIAL_PYTHON: python, TMPDIR: temporary };
  return spawnSync(process.execPath, [main], { encoding: "utf8", env });
}

describeWithPeers("the example with Flower's clients and ours", "stock", () => {
  it("learns digits, and leaves nothing behind", () => {
    const python = pythonWith(["flwr", "numpy"], interpreters("PERENNIAL_PYTHON")) ?? "";
    const temporary = temporaryDirectory();
    const { status, stdout, stderr } = run(python, temporary);
    expect(status, stderr).to.equal(0);
    expect(stdout.match(/^Flower client .* joined$/gm)).to.have.length(2);
    expect(stdout.match(/^Node client .* joined$/gm)).to.have.length(2);
    const percents = [...stdout.matchAll(/^round \d: ([\d.]+) %/gm)].map(([, percent]) => Number(percent));
    expect(percents).to.have.length(5);
    expect(percents.at(-1)).to.be.greaterThan(85);
    expect(stdout).not.to.contain("failed");
    expect(readdirSync(temporary)).to.deep.equal([]);
  });
});

describe("the example with Flower's clients, where there is no flwr,", () => {
  it("says so in one line and ends with 1", () => {
    // A program that is everywhere and is no Python.
    const { status, stdout, stderr } = run("/bin/false");
    expect([status, stdout]).to.deep.equal([1, ""]);
    expect(stderr.trim().split("\n")).to.deep.equal([
      "this example needs a Python with flwr and numpy: name one in PERENNIAL_PYTHON",
    ]);
  });
});
