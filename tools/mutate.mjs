// Preloaded into a test run (`node --import`): plants the defect that the environment variable MUTANT describes.
import { register } from "node:module";

register("./mutate-hook.mjs", import.meta.url, { data: JSON.parse(process.env.MUTANT ?? "null") });
