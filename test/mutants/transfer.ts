// Deliberate defects of parameters that travel in chunks.
import type { Mutant } from "./mutant.js";

const chunks = "packages/transport/dist/src/chunks";
const models = "packages/transport/dist/test/chunked-models.test.js";
const suite = "packages/transport/dist/test/chunked-uploads.test.js";

export const transferMutants: readonly Mutant[] = [
  {
    name: "an update in chunks counts whatever its digest",
    file: `${chunks}/chunked-parameters.js`,
    before: "if (found === sha256)",
    after: "if (found !== undefined)",
    suite,
  },
  {
    name: "a chunk is taken wherever it begins",
    file: `${chunks}/chunked-parameters.js`,
    before: "if (offset !== this.#offset)",
    after: "if (offset < 0)",
    suite,
  },
  {
    name: "an update whose connection was lost begins anew",
    file: `${chunks}/partial-updates.js`,
    before: "if (thrown instanceof Interrupted && this.#wait(partial))",
    after: "if (thrown instanceof Interrupted && this.#wait(partial) && this.#waiting.delete(partial.client))",
    suite,
  },
  {
    name: "updates for former questions wait on",
    file: `${chunks}/partial-updates.js`,
    before: "if (!sameKey(partial.key, key))",
    after: "if (false)",
    suite,
  },
  {
    name: "an update in chunks may be of any length",
    file: `${chunks}/partial-updates.js`,
    before: "if (byteLength > mostBytes)",
    after: "if (byteLength > Infinity)",
    suite,
  },
  {
    name: "any number of updates wait for their clients",
    file: `${chunks}/partial-updates.js`,
    before: "this.#waiting.size > partials",
    after: "this.#waiting.size > Infinity",
    suite,
  },
  {
    name: "a client that comes back sends its update from the start",
    file: "packages/transport/dist/src/grpc/upload.js",
    before: "stretches(pieces, begin, chunkBytes)",
    after: "stretches(pieces, 0, chunkBytes)",
    suite: "packages/client/dist/test/upload.test.js",
  },
  {
    name: "a model whose connection was lost is sent from the start",
    file: `${chunks}/outgoing-model.js`,
    before: "? held.offset : 0",
    after: "? 0 : 0",
    suite: models,
  },
  {
    name: "what a client held when it connected is believed after another model",
    file: `${chunks}/outgoing-model.js`,
    before: "this.#held = undefined;",
    after: "",
    suite: models,
  },
  {
    name: "a client trains again from a model that it has changed",
    file: `${chunks}/partial-model.js`,
    before: "this.#unchanged = found.sha256 === sha256;",
    after: "this.#unchanged = found.sha256.length === sha256.length;",
    suite: models,
  },
  {
    name: "a model that was the right one once is not looked at again",
    file: `${chunks}/partial-model.js`,
    before: "this.#unchanged = false;\n        const goesOn",
    after: "const goesOn",
    suite: models,
  },
  {
    name: "an answered question's model is held for the next connection",
    file: "packages/transport/dist/src/grpc/connect.js",
    before: "this.#download.answered();",
    after: "",
    suite: models,
  },
  {
    name: "a server closes while it still forgets updates",
    file: `${chunks}/partial-updates.js`,
    before: "await Promise.all(this.#dropped);",
    after: "",
    suite,
  },
  {
    name: "the sink of an update that will not be whole stays open",
    file: `${chunks}/partial-updates.js`,
    before: "return forget(sink, error);",
    after: "return forget(undefined, error);",
    suite: "packages/transport/dist/test/chunked-weather.test.js",
  },
  {
    name: "a long array's digest is that of its beginning",
    file: "packages/checkpointer/dist/src/absorb.js",
    before: "at += most",
    after: "at += bytes.byteLength",
    suite: "packages/checkpointer/dist/test/absorb.test.js",
  },
];
