// What a process held at most.
import { readFileSync } from "node:fs";

/**
 * The most physical memory that this process has held, in bytes. Linux only: `resourceUsage().maxRSS` would begin with
 * what the parent held when it started this process.
 */
export function peakBytes(): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return 1024 * Number(kibibytes);
}
