// The named points at which a live federation is interfered with, and what happens there.

export const actions = ["kill", "error", "delay", "pause"] as const;
/**
 * `kill`: SIGKILL. `error`: an exception there; a call of the disk fails with EIO (after it was carried out, if the
 * point is after it), a reply loses its connection. `delay`: 50 ms. `pause`: SIGSTOP, and SIGCONT some time later.
 */
export type Action = (typeof actions)[number];

const around = (where: string, names: readonly string[]): string[] =>
  names.flatMap((name) => [`${where}: before ${name}`, `${where}: after ${name}`]);

/** What the runner calls its commands, `finish` aside. */
const commands = ["open", "send", "accept", "drop", "aggregate", "checkpoint", "commit", "wait", "report"];

/** These come once, at the end of a run, and which comes first depends on what happens: a log that a killed server left is removed as the next one starts. */
const last = [...around("server", ["finish"]), ...around("server's disk", ["unlink"])];

export const serverPoints: readonly string[] = [
  ...around("server", commands),
  ...around("server's disk", ["open", "create", "write", "sync", "close", "rename", "syncDirectory"]),
  ...last,
];

export const clientPoints: readonly string[] = [
  ...around("client", ["train", "evaluate", "save", "reply"]),
  ...around("client's disk", ["create", "write", "sync", "close", "rename", "syncDirectory"]),
];

/** What a program is to do, at these points one after another, each the next time it comes by. */
export interface Arming {
  readonly action: Action;
  readonly points: readonly string[];
}

/** Whether something is to happen at a point while these wait. */
export function isNext(point: string, [next, ...later]: readonly string[]): boolean {
  return point === next || (next !== undefined && last.includes(next) && later.includes(point));
}
