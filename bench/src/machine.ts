// One line on where and when figures were taken, and what else the machine was doing.
import { cpus, loadavg, release, totalmem } from "node:os";

export function machine(): string {
  const [cpu] = cpus();
  const gigabytes = Math.round(totalmem() / 1e9);
  const load = loadavg()[0]?.toFixed(1) ?? "?";
  return (
    `${new Date().toISOString().slice(0, 16)}Z, Node ${process.version}, ${cpus().length} x ${cpu?.model ?? "?"}, ` +
    `${gigabytes} GB, Linux ${release()}, load ${load} at the start`
  );
}
