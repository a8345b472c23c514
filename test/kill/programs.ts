// Programs that say one JSON object a line on their standard output, and never outlive the test that runs them.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export interface Program<Line> {
  /** What it has said so far; all of it once `ended` resolves, also after SIGKILL. */
  readonly said: readonly Line[];
  readonly ended: Promise<Ending>;
  /** Resolves when it has said a line that `wanted` accepts, or when it ends. */
  hear(wanted: (line: Line, count: number) => boolean): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts the compiled script of that name beside this file. Its one argument is `task` as JSON. */
export function run<Line>(script: string, task: object): Program<Line> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  // The open pipe to its standard input tells the program that the test lives; see {@link obeyParent}.
  const child = spawn(process.execPath, [path, JSON.stringify(task)], { stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  // A program that is killed while it is spoken to is no error of the test.
  child.stdin.on("error", () => undefined);
  const said: Line[] = [];
  const listeners = new Set<() => void>();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    said.push(JSON.parse(line) as Line);
    for (const listener of listeners) listener();
  });
  let over = false;
  const read = new Promise<void>((resolve) => lines.once("close", resolve));
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      void read.then(() => {
        running.delete(child);
        over = true;
        resolve({ code, signal, stderr });
        for (const listener of listeners) listener();
      });
    });
  });
  return {
    said,
    ended,
    async hear(wanted) {
      let heard = 0;
      const found = (): boolean => {
        while (heard < said.length) if (wanted(said[heard++] as Line, heard)) return true;
        return over;
      };
      if (found()) return;
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          if (!found()) return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      });
    },
    signal: (name) => void child.kill(name),
  };
}

/** In a program: the task it was given. The program ends with its parent, even if that was killed. */
export function obeyParent(): unknown {
  process.stdin.on("end", () => process.exit(3)).resume();
  process.stdin.unref();
  return JSON.parse(process.argv[2] ?? "null");
}

/** In a program: says one line. Written to a pipe at once, so what was said before a SIGKILL is read by the test. */
export function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
