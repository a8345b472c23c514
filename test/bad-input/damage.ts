// Ways in which files go bad.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Turns over one bit of the file, `share` of the way through it. */
export function flipBit(path: string, share = 0.5): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.byteLength * share);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}

/** Leaves `share` of the file. */
export function cutOff(path: string, share = 0.5): void {
  truncateSync(path, Math.floor(readFileSync(path).byteLength * share));
}

/** The paths of the files whose names match: at least one. */
export function filesLike(directory: string, wanted: RegExp): readonly string[] {
  const names = readdirSync(directory).filter((name) => wanted.test(name));
  if (names.length === 0) throw new Error(`no file like ${wanted.source} in ${readdirSync(directory).join(", ")}`);
  return names.map((name) => join(directory, name));
}

/** Replaces a text in a sealed file by one of the same length, and seals the file again as its writer would have. */
export function reseal(path: string, before: string, after: string): void {
  const text = readFileSync(path, "latin1").replace(before, after);
  const [, digest = ""] = /"perennial\.digest":"([0-9a-f]{64})"/.exec(text) ?? [];
  const blank = text.replace(digest, "0".repeat(64));
  const sealed = createHash("sha256").update(blank, "latin1").digest("hex");
  writeFileSync(path, text.replace(digest, sealed), "latin1");
}
