// Programs that run in processes of their own, for what one process cannot show about itself.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** Calls `use` with a new directory, which is gone afterwards. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "perennial-trainer-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What a program writes, run to its end with `home` as its home, and without `CI` and other switches of telemetry. */
export async function runNode(args: readonly string[], home: string): Promise<string> {
  // A child's environment does not hold what is undefined.
  const silent = { CI: undefined, ORT_DISABLE_TELEMETRY: undefined };
  const env = { ...process.env, ...silent, HOME: home, XDG_CACHE_HOME: join(home, "cache") };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  if (child.exitCode !== 0) throw new Error(`node ${args.join(" ")} ended with ${String(child.exitCode)}: ${errors}`);
  return output.trim();
}

/** The files under a directory. */
export async function filesUnder(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}
