// The version of this package.
import { createRequire } from "node:module";

const manifest = createRequire(import.meta.url)("perennial-fl/package.json") as { readonly version: string };

export const version = manifest.version;
