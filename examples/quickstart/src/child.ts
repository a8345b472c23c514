// A `perennial` process as a child: its events as they come, and no child outlives the demo.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

type Told = { readonly type: string };

export interface Child<Event extends Told> {
  /** Everything it has said so far. */
  readonly events: readonly Event[];
  /** The first event, past or to come, that matches. Rejects if the process ends without it. */
  until(matches: (event: Event) => boolean): Promise<Event>;
  /** Resolves when it has ended with success or by `kill`; rejects with its complaint if it failed. */
  readonly ended: Promise<void>;
  readonly kill: () => void;
}

const require = createRequire(import.meta.url);

/** The file that runs the `perennial` command. */
export const perennialPath = join(dirname(require.resolve("perennial-fl/package.json")), "dist/src/main.js");

const running = new Set<() => void>();

/** Starts `perennial ...args --json`. */
export function startPerennial<Event extends Told>(
  args: readonly string[],
  observe: (event: Event) => void = () => undefined,
): Child<Event> {
  const child = spawn(process.execPath, [perennialPath, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const events: Event[] = [];
  const waiting = new Set<{ take: (event: Event) => void; end: () => void }>();
  let killed = false;
  const kill = (): void => {
    killed = true;
    child.kill("SIGKILL");
  };
  running.add(kill);
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = JSON.parse(line) as Event;
    events.push(event);
    observe(event);
    for (const { take } of [...waiting]) take(event);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      running.delete(kill);
      for (const { end } of [...waiting]) end();
      if (code === 0 || killed) resolve();
      else reject(new Error(complaints.trim() || `perennial ${args[0] ?? ""} ended with exit code ${code ?? "none"}`));
    });
  });
  // Whoever waits for it hears of a failure; nobody has to.
  ended.catch(() => undefined);
  return {
    events,
    ended,
    kill,
    until(matches) {
      const past = events.find(matches);
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve, reject) => {
        const waiter = {
          take(event: Event) {
            if (!matches(event)) return;
            waiting.delete(waiter);
            resolve(event);
          },
          end() {
            reject(new Error(complaints.trim() || `perennial ${args[0] ?? ""} ended before it was expected to`));
          },
        };
        waiting.add(waiter);
      });
    },
  };
}

/** Ends every child at once. */
export function killChildren(): void {
  for (const kill of running) kill();
}

process.on("exit", killChildren);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    process.exit(signal === "SIGINT" ? 130 : 143);
  });
}
