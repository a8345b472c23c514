// The migration guide's blocks as they stand on the page: its Python and its TypeScript sides meet each other.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import ts from "typescript";
import { readSnippets } from "../docs/snippets.js";
import { freePort } from "../support/free-port.js";
import { temporaryDirectory } from "../support/temporary.js";
import { describeWithPeers } from "./peers.js";
import { accepts } from "./python.js";

const page = "docs/migration.md";
const [pythonServer, pythonClient] = readSnippets(page, ["python"]);
const [server, client, checkpoints] = readSnippets(page, ["ts"]);

/** A block as a program that speaks at another address. */
const at = (address: string, code = ""): string => code.replaceAll("127.0.0.1:8080", address);

/** Runs a TypeScript block in a directory of its own; what it printed. */
async function runTypeScript(code: string): Promise<string> {
  // Inside the repository, so that the packages are found.
  const folder = fileURLToPath(new URL("../migration/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${process.pid}-${programs++}.mjs`);
  const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
  writeFileSync(path, ts.transpileModule(code, { compilerOptions: options }).outputText);
  const child = spawn(process.execPath, [path], { cwd: temporaryDirectory() });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const status = await new Promise((resolve) => child.once("close", resolve));
  expect(status, printed).to.equal(0);
  return printed;
}
let programs = 0;

describeWithPeers(`the blocks of ${page}:`, "stock", (peers) => {
  const python = (code: string) => {
    const path = join(temporaryDirectory(), "block.py");
    writeFileSync(path, code);
    return peers.start(path);
  };

  it("the TypeScript server trains the Python clients", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const served = runTypeScript(at(address, server?.code));
    await accepts(address);
    const clients = [1, 2].map(() => python(at(address, pythonClient?.code)));
    const printed = await served;
    expect(await Promise.all(clients.map(({ exited }) => exited))).to.deep.equal([0, 0]);
    expect(printed).to.contain("round: 3");
  });

  it("the Python server trains the TypeScript clients", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const served = python(at(address, pythonServer?.code));
    await accepts(address);
    await Promise.all([1, 2].map(() => runTypeScript(at(address, client?.code))));
    expect(await served.exited, served.errors()).to.equal(0);
  });

  it("the checkpointers' block runs", async () => {
    expect((await runTypeScript(checkpoints?.code ?? "")).trim()).to.equal("3");
  });
});
