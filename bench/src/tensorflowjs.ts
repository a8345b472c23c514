// Where TensorFlow.js is, which is no dependency of ours.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { NotInstalled } from "./harness.js";

/** The directory that PERENNIAL_BENCH_TFJS names. Throws {@link NotInstalled} when @tensorflow/tfjs is not in its node_modules. */
export function tensorflowjsDirectory(): string {
  const directory = process.env["PERENNIAL_BENCH_TFJS"] ?? "";
  if (directory === "") {
    throw new NotInstalled("PERENNIAL_BENCH_TFJS names no directory with @tensorflow/tfjs in its node_modules");
  }
  const whole = resolve(directory);
  try {
    createRequire(join(whole, "package.json")).resolve("@tensorflow/tfjs");
    return whole;
  } catch {
    throw new NotInstalled(`@tensorflow/tfjs is not in the node_modules of ${whole}`);
  }
}
