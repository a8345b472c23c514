// What a person reads after each bad argument, and the exit code that goes with it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { exitCodes } from "../src/exit-codes.js";
import { address, choice, fraction, integer, rate, seconds, text, whole } from "../src/values.js";

const main = fileURLToPath(new URL("../src/main.js", import.meta.url));

describe("an option's value", () => {
  const cases: readonly [read: () => unknown, message: string][] = [
    [() => whole("--rounds", 1)("0"), '--rounds is a whole number from 1, not "0"'],
    [() => whole("--rounds", 1)("2.5"), '--rounds is a whole number from 1, not "2.5"'],
    [() => whole("--rounds", 1)(""), '--rounds is a whole number from 1, not ""'],
    [() => whole("--rounds", 1)("99999999999999999999"), "--rounds is a whole number from 1, not"],
    [() => integer("--seed")("seven"), '--seed is a whole number, not "seven"'],
    [() => fraction("--fraction-fit")("1.5"), '--fraction-fit is a number from 0 to 1, not "1.5"'],
    [() => rate("--beta1", 1)("1"), '--beta1 is a number from 0, below 1, not "1"'],
    [() => rate("--eta")("-0.1"), '--eta is a number from 0, not "-0.1"'],
    [() => seconds("--round-timeout")("0"), "--round-timeout is a positive number of seconds"],
    [() => seconds("--round-timeout")("Infinity"), "--round-timeout is a positive number of seconds"],
    [() => address("--server", 1)("localhost"), '--server is HOST:PORT with a port from 1 to 65535, not "localhost"'],
    [() => address("--server", 1)("localhost:0"), "--server is HOST:PORT"],
    [() => address("--server", 1)("localhost:65536"), "--server is HOST:PORT"],
    [() => address("--address", 0)("::1:80"), "--address is HOST:PORT"],
    [() => choice("--resume", ["auto", "never"])("maybe"), '--resume is one of auto, never, not "maybe"'],
    [() => text("--id", "a name")(" "), '--id is a name, not " "'],
  ];
  for (const [read, message] of cases) {
    it(`is refused: ${message}`, () => {
      expect(read).to.throw(message);
    });
  }

  it("is read where it is a good one", () => {
    expect(whole("--rounds", 1)("5")).to.equal(5);
    expect(integer("--seed")("-7")).to.equal(-7);
    expect(fraction("--fraction-fit")("0.5")).to.equal(0.5);
    expect(seconds("--round-timeout")("1.5")).to.equal(1.5);
    expect(address("--address", 0)("[::]:8080")).to.equal("[::]:8080");
    expect(address("--address", 0)("127.0.0.1:0")).to.equal("127.0.0.1:0");
  });
});

describe("the command", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perennial-cli-"));
    writeFileSync(join(folder, "empty.js"), "export {};\n");
    writeFileSync(join(folder, "other.js"), "export const model = 1;\n");
    writeFileSync(join(folder, "half.js"), "export default { fit() {} };\n");
    writeFileSync(join(folder, "good.js"), "export default { fit() {}, evaluate() {} };\n");
    writeFileSync(join(folder, "number.js"), "export default () => 5;\n");
    writeFileSync(join(folder, "throws.js"), 'export default () => { throw new Error("no data\\nhere"); };\n');
    writeFileSync(join(folder, "broken.js"), "this is no program\n");
    writeFileSync(join(folder, "bad.onnx"), "not a model");
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const server = ["server", "--module", "bad.onnx", "--rounds", "1", "--min-clients", "1", "--state-dir", "state"];
  const client = (app: string): string[] => [
    "client",
    "--server",
    "127.0.0.1:9",
    "--app",
    app,
    "--id",
    "a",
    "--state-dir",
    "own",
  ];
  const cases: readonly [args: readonly string[], exitCode: number, stderr: RegExp][] = [
    [[], exitCodes.usage, /^error: no command was given: .* \(argument\/invalid\)\n$/],
    [
      ["serve"],
      exitCodes.usage,
      /^error: unknown command 'serve' \(Did you mean server\?\); see perennial --help \(arg/,
    ],
    [
      ["server"],
      exitCodes.usage,
      /^error: required option '--module <FILE.onnx>' not specified; see perennial server --help/,
    ],
    [[...server, "--rouns", "2"], exitCodes.usage, /^error: unknown option '--rouns' \(Did you mean --rounds\?\)/],
    [[...server, "--rounds"], exitCodes.usage, /^error: option '--rounds <N>' argument missing/],
    [
      [...server, "--rounds", "x"],
      exitCodes.usage,
      /^error: --rounds is a whole number from 1, not "x" \(argument\/invalid\)\n$/,
    ],
    [[...server, "--eta", "0.1"], exitCodes.usage, /^error: --eta 0\.1 is an option of .*, and the strategy is fedavg/],
    [[...server, "--tls-key", "k.pem"], exitCodes.usage, /^error: TLS needs both .* and --tls-cert is missing/],
    [server, exitCodes.unusableFile, /^error: .* \(model\/corrupt\)\n$/],
    [
      [...server, "--module", "none.onnx"],
      exitCodes.unusableFile,
      /^error: reading --module none\.onnx: there is no such file/,
    ],
    [[...client("none.js"), "extra"], exitCodes.usage, /^error: too many arguments/],
    [
      client("none.js"),
      exitCodes.usage,
      /^error: reading --app none\.js: there is no such file \(argument\/invalid\)\n$/,
    ],
    [client("empty.js"), exitCodes.usage, /^error: --app empty\.js must export a client .*, and it exports nothing/],
    [client("other.js"), exitCodes.usage, /^error: --app other\.js must export a client .*, and it exports model/],
    [client("half.js"), exitCodes.usage, /^error: --app half\.js exports a client that has no function evaluate/],
    [client("number.js"), exitCodes.usage, /^error: --app number\.js made a client that is number, not an object/],
    [
      client("throws.js"),
      exitCodes.failed,
      /^error: making the client of --app throws\.js failed: no data here \(client\/failed\)\n$/,
    ],
    [client("broken.js"), exitCodes.failed, /^error: loading --app broken\.js failed: .* \(client\/failed\)\n$/],
    [
      [...client("good.js"), "--state-dir", "a/b"],
      exitCodes.storage,
      /^error: --state-dir a\/b: its parent directory .* does not exist/,
    ],
    [
      [...client("good.js"), "--state-dir", "half.js"],
      exitCodes.storage,
      /^error: --state-dir half\.js: it is not a directory/,
    ],
    [["inspect"], exitCodes.usage, /^error: missing required argument 'PATH'/],
    [["inspect", "none"], exitCodes.unusableFile, /^error: there is nothing at none \(checkpoint\/missing\)\n$/],
  ];
  for (const [args, exitCode, stderr] of cases) {
    it(`exits with ${exitCode} after: perennial ${args.join(" ")}`, () => {
      const result = spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: "utf8" });
      expect(result.stderr).to.match(stderr);
      expect(result.stderr.trim().split("\n")).to.have.length(1);
      expect(result.status).to.equal(exitCode);
    });
  }
});
