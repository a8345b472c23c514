// A process of a benchmark: speaks one JSON object a line, is told things by lines, and ends when its input ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

export interface Process {
  /** The next line that it says. Rejects, with the end of what it complained, if it ends instead. */
  said<Message>(): Promise<Message>;
  tell(line: string): void;
  /** Processor time so far, of all its threads. */
  cpuSeconds(): Promise<number>;
  /** The most memory that it has held. */
  peakBytes(): Promise<number>;
  /** The memory that it holds now. */
  residentBytes(): Promise<number>;
  /** Closes its input, at which it ends. */
  end(): Promise<void>;
}

/** Clock ticks of /proc per second: fixed in the kernel's interface to programs. */
const ticksPerSecond = 100;

export function startProcess(command: string, args: readonly string[]): Process {
  const child = spawn(command, args, { stdio: "pipe", env: { ...process.env, FLWR_TELEMETRY_ENABLED: "0" } });
  const name = [command, ...args].join(" ");
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4000);
  });
  // Writing to a process that has died is reported by what it said last.
  child.stdin.on("error", () => undefined);
  const ended = once(child, "close");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  async function proc(file: string): Promise<string> {
    return readFile(`/proc/${String(child.pid)}/${file}`, "utf8");
  }

  async function memory(field: string): Promise<number> {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(await proc("status"))?.[1];
    if (kibibytes === undefined) throw new Error(`/proc tells no ${field} of ${name}`);
    return Number(kibibytes) * 1024;
  }

  return {
    async said<Message>() {
      const line: IteratorResult<string, unknown> = await lines.next();
      if (line.done) {
        await ended;
        throw new Error(`${name} ended early:\n${complaints}`);
      }
      return JSON.parse(line.value) as Message;
    },
    tell(line) {
      child.stdin.write(`${line}\n`);
    },
    async cpuSeconds() {
      // The command's name, in parentheses, may hold spaces: the numbered fields begin behind it.
      const stat = await proc("stat");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    },
    peakBytes: () => memory("VmHWM"),
    residentBytes: () => memory("VmRSS"),
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}
