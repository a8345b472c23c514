// Finds a Python that has a package. Nothing of the package is loaded for that.
import { execFile } from "node:child_process";
import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { NotInstalled } from "./harness.js";

const run = promisify(execFile);

export interface Python {
  readonly command: string;
  /** Of the package that was asked for. */
  readonly version: string;
}

/** The interpreters to look at: those of PERENNIAL_BENCH_PYTHON, separated as in PATH, then `python3`. */
function interpreters(): string[] {
  return [...(process.env["PERENNIAL_BENCH_PYTHON"] ?? "").split(delimiter).filter(Boolean), "python3"];
}

/** The first interpreter with `distribution`. Throws {@link NotInstalled} when none has it. */
export async function pythonWith(distribution: string): Promise<Python> {
  for (const command of interpreters()) {
    try {
      const code = `import importlib.metadata as m; print(m.version("${distribution}"))`;
      const { stdout } = await run(command, ["-c", code]);
      return { command, version: stdout.trim() };
    } catch {
      // This one is not there or lacks the package: the next may have it.
    }
  }
  throw new NotInstalled(
    `no Python with ${distribution} among ${interpreters().join(", ")}: name one in PERENNIAL_BENCH_PYTHON`,
  );
}

/** The path of a script in bench/peers. */
export function peerScript(name: string): string {
  return fileURLToPath(new URL(`../../peers/${name}`, import.meta.url));
}
