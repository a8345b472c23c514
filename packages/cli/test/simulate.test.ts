// `perennial simulate`: the same command gives the same model, also in two sessions; other data are not gone on with.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random } from "@perennial-fl/core";
import { linear, sequential } from "@perennial-fl/module";
import { expect } from "chai";
import { ruleOf } from "../src/simulate/partition-options.js";
import type { PartitionArguments } from "../src/simulate/partition-options.js";
import { shareLines } from "../src/simulate/view.js";

const main = fileURLToPath(new URL("../src/main.js", import.meta.url));

interface Ran {
  readonly code: number;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  readonly stderr: string;
}

describe("perennial simulate", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perennial-simulate-"));
    const module = sequential([linear(2, 3)], { input: [2], seed: 1 });
    writeFileSync(join(folder, "model.onnx"), module.toBytes());
    const draw = random("points");
    const rows = Array.from(
      { length: 90 },
      (_, i) => `${draw.normal() + (i % 3)},${draw.normal()},site-${i % 4},${i % 3}`,
    );
    writeFileSync(join(folder, "points.csv"), ["x,y,site,kind", ...rows, ""].join("\n"));
    writeFileSync(
      join(folder, "app.js"),
      `export default ({ id, arguments: [number, of] }) => ({
         fit: (parameters) => ({ parameters, numExamples: 1 + Number(number), metrics: {} }),
         evaluate: () => ({ loss: Number(of), numExamples: 1 }),
       });`,
    );
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  function simulate(stateDir: string, ...args: readonly string[]): Promise<Ran> {
    const given = ["simulate", "--module", "model.onnx", "--state-dir", stateDir, "--json", ...args];
    return new Promise((resolve) => {
      execFile(process.execPath, [main, ...given], { cwd: folder }, (error, stdout, stderr) => {
        const lines = stdout.split("\n").filter((line) => line !== "");
        const events = lines.map((line) => JSON.parse(line) as Ran["events"][number]);
        resolve({ code: error === null ? 0 : Number(error.code), events, stderr });
      });
    });
  }
  const trained = ["--data", "points.csv", "--learning-rate", "0.1"];
  const digestOf = ({ events }: Ran): unknown => events.find(({ type }) => type === "finished")?.["parametersSha256"];

  it("gives the same model again, in one session or two, with one client at a time or several", async () => {
    const dirichlet = [...trained, "--ignore", "site", "--clients", "4", "--partition", "dirichlet", "--alpha", "0.3"];
    const whole = await simulate("whole", ...dirichlet, "--rounds", "4", "--at-once", "1");
    expect(whole.code, whole.stderr).to.equal(0);
    expect(whole.events.filter(({ type }) => type === "round-committed")).to.have.length(4);
    const first = await simulate("two", ...dirichlet, "--rounds", "2", "--at-once", "3");
    const second = await simulate("two", ...dirichlet, "--rounds", "4", "--at-once", "2");
    expect(digestOf(first)).to.not.equal(digestOf(whole));
    expect(digestOf(second)).to.equal(digestOf(whole));
    const other = await simulate("two", ...trained, "--ignore", "site", "--clients", "4", "--rounds", "5");
    expect(other).to.include({ code: 3 });
    expect(other.stderr).to.match(/partition dirichlet alpha 0.3 among 4.*partition iid among 4/);
  });

  it("gives each key a client, and each client its share", async () => {
    const { code, events, stderr } = await simulate(
      "keys",
      ...trained,
      "--partition",
      "key",
      "--key",
      "site",
      "--rounds",
      "1",
    );
    expect(code, stderr).to.equal(0);
    const shares = events.find(({ type }) => type === "partitioned")?.["clients"] as {
      keys: string[];
      examples: number;
    }[];
    expect(shares.map(({ keys }) => keys)).to.deep.equal([["site-0"], ["site-1"], ["site-2"], ["site-3"]]);
    expect(shares.reduce((sum, { examples }) => sum + examples, 0)).to.equal(90);
  });

  it("runs the clients of an app, which are told their numbers", async () => {
    const app = ["--app", "app.js", "--clients", "3", "--rounds", "1", "--", "{client}", "{clients}"];
    const { code, events, stderr } = await simulate("app", ...app);
    expect(code, stderr).to.equal(0);
    const accepted = events.filter(({ type, phase }) => type === "result-accepted" && phase === "fit");
    expect(accepted.map(({ numExamples }) => numExamples)).to.have.members([1, 2, 3]);
    expect(events.find(({ type }) => type === "round-committed")).to.include({ loss: 3 });
  });

  it("refuses options that do not go together, and names them", () => {
    const wrong: readonly (readonly [Partial<PartitionArguments>, RegExp])[] = [
      [{ partition: "iid", clients: 2, alpha: 1 }, /--alpha 1 is an option of --partition dirichlet/],
      [{ partition: "key" }, /--partition key needs --key COLUMN/],
      [{ partition: "size" }, /--partition size needs --clients N/],
    ];
    for (const [given, message] of wrong) {
      expect(() => ruleOf({ partition: "iid", ...given }))
        .to.throw(message)
        .with.property("code", "argument/invalid");
    }
  });

  it("says who has what, and sums many clients up", () => {
    const share = { client: "client-1", examples: 3, labels: { rose: 1, tulip: 2 } };
    expect(shareLines([share])).to.deep.equal(["client-1: 3 examples; labels rose: 1, tulip: 2"]);
    const many = Array.from({ length: 25 }, (_, i) => ({ client: `client-${i}`, examples: i + 1 }));
    expect(shareLines(many).at(-1)).to.equal("and 5 more clients of 21 to 25 examples");
  });
});
