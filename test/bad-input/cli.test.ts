// The command line: what a person who mistypes reads, and the exit code that a script sees.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linear, sequential } from "@perennial-fl/module";
import { expect } from "chai";
import { freePort } from "../support/free-port.js";
import { freshDirectory, legible } from "./table.js";

interface Row {
  readonly title: string;
  /** What is typed after `perennial`, in one string. DIR, PORT and FREE stand for a directory and two ports. */
  readonly typed: string;
  readonly exit: number;
  /** The one line on standard error. */
  readonly says: string;
}

const server = "server --module DIR/model.onnx --rounds 1 --min-clients 2 --state-dir DIR/state --address 127.0.0.1:0";
const client = "client --server 127.0.0.1:PORT --app DIR/app.js --id ada --state-dir DIR/ada --give-up-after 0.001";

/** The files that the rows speak of. */
function furnish(dir: string): void {
  const write = (name: string, text: string | Uint8Array): void => {
    writeFileSync(join(dir, name), text);
  };
  write("model.onnx", sequential([linear(4, 3)], { input: [4], seed: 1 }).toBytes());
  write("broken.onnx", "not a model");
  write("package.json", '{ "type": "module" }');
  write("app.js", "export default { fit() {}, evaluate() {} };");
  write("throws.js", 'throw new Error("no data at /data/train.csv");');
  write("empty.js", "");
  write("half.js", "export const client = { fit() {} };");
  write("number.js", "export default () => 7;");
  write("syntax.js", "export default {{;");
  mkdirSync(join(dir, "ada"));
}

const rows: readonly Row[] = [
  {
    title: "nothing",
    typed: "",
    exit: 2,
    says: "error: no command was given: perennial server, client, train, simulate, resume, inspect, verify or rollback; see perennial --help (argument/invalid)",
  },
  {
    title: "a command that there is not",
    typed: "sever",
    exit: 2,
    says: "error: unknown command 'sever' (Did you mean server?); see perennial --help (argument/invalid)",
  },
  {
    title: "an option that there is not",
    typed: `${server} --round 3`,
    exit: 2,
    says: "error: unknown option '--round' (Did you mean --rounds?); see perennial server --help (argument/invalid)",
  },
  {
    title: "no module",
    typed: server.replace("--module DIR/model.onnx", ""),
    exit: 2,
    says: "error: required option '--module <FILE.onnx>' not specified; see perennial server --help (argument/invalid)",
  },
  {
    title: "an option without its value",
    typed: `${server} --seed`,
    exit: 2,
    says: "error: option '--seed <N>' argument missing; see perennial server --help (argument/invalid)",
  },
  {
    title: "too much",
    typed: `${server} now`,
    exit: 2,
    says: "error: too many arguments for 'server'. Expected 0 arguments but got 1.; see perennial server --help (argument/invalid)",
  },
  {
    title: "rounds in words",
    typed: server.replace("--rounds 1", "--rounds ten"),
    exit: 2,
    says: 'error: --rounds is a whole number from 1, not "ten" (argument/invalid)',
  },
  {
    title: "no rounds",
    typed: server.replace("--rounds 1", "--rounds 0"),
    exit: 2,
    says: 'error: --rounds is a whole number from 1, not "0" (argument/invalid)',
  },
  {
    title: "a negative number of clients",
    typed: server.replace("--min-clients 2", "--min-clients -2"),
    exit: 2,
    says: 'error: --min-clients is a whole number from 1, not "-2" (argument/invalid)',
  },
  {
    title: "a strategy that there is not",
    typed: `${server} --strategy fedprocks`,
    exit: 2,
    says: 'error: --strategy is one of fedavg, fedavgm, fedprox, fedadam, fedadagrad, fedyogi, fedmedian, fedtrimmedavg, krum, bulyan, qfedavg, faulttolerantfedavg, scaffold, fedbuff, or a FILE.js, not "fedprocks" (argument/invalid)',
  },
  {
    title: "a resumption that there is not",
    typed: `${server} --resume maybe`,
    exit: 2,
    says: 'error: --resume is one of auto, require, never, not "maybe" (argument/invalid)',
  },
  {
    title: "a fraction above one",
    typed: `${server} --fraction-fit 1.5`,
    exit: 2,
    says: 'error: --fraction-fit is a number from 0 to 1, not "1.5" (argument/invalid)',
  },
  {
    title: "a timeout of no time",
    typed: `${server} --round-timeout 0`,
    exit: 2,
    says: 'error: --round-timeout is a positive number of seconds up to 2147483, not "0" (argument/invalid)',
  },
  {
    title: "a seed that is no number",
    typed: `${server} --seed x`,
    exit: 2,
    says: 'error: --seed is a whole number, not "x" (argument/invalid)',
  },
  {
    title: "a learning rate for fedavg",
    typed: `${server} --eta 0.1`,
    exit: 2,
    says: "error: --eta 0.1 is an option of --strategy fedadam, fedadagrad, fedyogi, and the strategy is fedavg (argument/invalid)",
  },
  {
    title: "an address without a port",
    typed: server.replace("127.0.0.1:0", "localhost"),
    exit: 2,
    says: 'error: --address is HOST:PORT with a port from 0 to 65535, not "localhost" (argument/invalid)',
  },
  {
    title: "a module that is not there",
    typed: server.replace("model.onnx", "missing.onnx"),
    exit: 4,
    says: "error: reading --module DIR/missing.onnx: there is no such file (data/invalid)",
  },
  {
    title: "a module that is none",
    typed: server.replace("model.onnx", "broken.onnx"),
    exit: 4,
    says: "error: reading --module DIR/broken.onnx: the bytes are not an ONNX ModelProto: a ModelProto holds a field of wire type 6 (model/corrupt)",
  },
  {
    title: "a state directory whose parent is missing",
    typed: server.replace("DIR/state", "DIR/no/state"),
    exit: 5,
    says: "error: --state-dir DIR/no/state: its parent directory DIR/no does not exist (storage/directory)",
  },
  {
    title: "a state directory that is a file",
    typed: server.replace("DIR/state", "DIR/app.js"),
    exit: 5,
    says: "error: --state-dir DIR/app.js: it is not a directory (storage/directory)",
  },
  {
    title: "a run to resume that is not there",
    typed: `${server} --resume require`,
    exit: 3,
    says: "error: DIR/state holds no run to resume (resume/nothing)",
  },
  {
    title: "a certificate without its key",
    typed: `${server} --tls-cert DIR/app.js`,
    exit: 2,
    says: "error: TLS needs both --tls-cert and --tls-key, and --tls-key is missing (argument/invalid)",
  },
  {
    title: "an app that is not there",
    typed: client.replace("app.js", "missing.js"),
    exit: 2,
    says: "error: reading --app DIR/missing.js: there is no such file (argument/invalid)",
  },
  {
    title: "an app that throws",
    typed: client.replace("app.js", "throws.js"),
    exit: 7,
    says: "error: loading --app DIR/throws.js failed: no data at /data/train.csv (client/failed)",
  },
  {
    title: "an app that is no JavaScript",
    typed: client.replace("app.js", "syntax.js"),
    exit: 7,
    says: "error: loading --app DIR/syntax.js failed: Unexpected token '{' (client/failed)",
  },
  {
    title: "an app that exports nothing",
    typed: client.replace("app.js", "empty.js"),
    exit: 2,
    says: 'error: --app DIR/empty.js must export a client as its default or as "client", and it exports nothing (argument/invalid)',
  },
  {
    title: "an app with half a client",
    typed: client.replace("app.js", "half.js"),
    exit: 2,
    says: "error: --app DIR/half.js exports a client that has no function evaluate: its evaluate is undefined (argument/invalid)",
  },
  {
    title: "an app that makes a number",
    typed: client.replace("app.js", "number.js"),
    exit: 2,
    says: "error: --app DIR/number.js made a client that is number, not an object with fit and evaluate (argument/invalid)",
  },
  {
    title: "a client whose name leads elsewhere",
    typed: client.replace("--id ada", "--id ../ada"),
    exit: 2,
    says: 'error: a client id is up to 128 letters, digits, ".", "_" and "-", begins with a letter or digit and holds no "..", unlike "../ada" (argument/invalid)',
  },
  {
    title: "a server that does not answer",
    typed: client,
    exit: 6,
    says: "error: no server answers at 127.0.0.1:PORT: connect ECONNREFUSED (connection/refused)",
  },
  {
    title: "something to inspect that is not there",
    typed: "inspect DIR/nothing",
    exit: 4,
    says: "error: there is nothing at DIR/nothing (checkpoint/missing)",
  },
  {
    title: "a retention policy that names nothing known",
    typed: `${server} --keep-states newest=3`,
    exit: 2,
    says: 'error: --keep-states is some of last=K,first,every=N,best=K with whole numbers from 1, not "newest=3" (argument/invalid)',
  },
  {
    title: "a round to go back to that is none",
    typed: "rollback DIR/ada --to -1",
    exit: 2,
    says: 'error: --to is a whole number from 0, not "-1" (argument/invalid)',
  },
  {
    title: "nothing to roll back",
    typed: "rollback DIR/ada --to 1",
    exit: 3,
    says: "error: DIR/ada holds no run to roll back (resume/nothing)",
  },
  {
    title: "a run to go on with that is not there",
    typed: "resume DIR/none",
    exit: 3,
    says: "error: DIR/none holds no run to resume (resume/nothing)",
  },
  {
    title: "a directory to go on with that no server was started in",
    typed: "resume DIR/ada",
    exit: 3,
    says: "error: DIR/ada does not say how its server was started: give the options to perennial server once more (resume/nothing)",
  },
  {
    title: "nothing to verify",
    typed: "verify DIR/none",
    exit: 4,
    says: "error: there is nothing at DIR/none (checkpoint/missing)",
  },
  { title: "something to inspect that is damaged", typed: "inspect DIR/broken.onnx", exit: 4, says: "" },
];

/** Runs the real command. */
function perennial(args: readonly string[]): Promise<{ readonly exit: number | null; readonly stderr: string }> {
  const main = fileURLToPath(import.meta.resolve("perennial-fl/package.json")).replace(
    "package.json",
    "dist/src/main.js",
  );
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject);
    child.once("close", (exit) => {
      resolve({ exit, stderr });
    });
  });
}

describe("bad input: at the command line", () => {
  for (const { title, typed, exit, says } of rows) {
    it(title, async () => {
      const dir = freshDirectory();
      furnish(dir);
      const port = String(await freePort());
      const args = typed.split(" ").filter((word) => word !== "");
      const ended = await perennial(args.map((word) => word.replace("DIR", dir).replace("PORT", port)));
      expect(legible(ended.stderr, dir)).to.equal(says === "" ? "" : `${says}\n`);
      expect(ended.exit).to.equal(exit);
    });
  }
});
