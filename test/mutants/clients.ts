// Deliberate defects of clients, and of training alone.
import type { Mutant } from "./mutant.js";

const client = "packages/client/dist/test/*.test.js";
const responder = "packages/client/dist/src/responder.js";

export const clientMutants: readonly Mutant[] = [
  {
    name: "a client gives its answer out before it is stored",
    file: responder,
    before: "await this.#commit(reply, key, digest, origin);",
    after: "setTimeout(() => void this.#commit(reply, key, digest, origin), 300);",
    suite: client,
  },
  {
    name: "a client trains again for a question that it has answered",
    file: responder,
    before: "if (kept?.reply)",
    after: "if (false)",
    suite: client,
  },
  {
    name: "a restarted client is not given its state back",
    file: responder,
    before: "await client.load(state.saved);",
    after: "",
    suite: client,
  },
  {
    name: "a client's half-done work of a later version is void without a word",
    file: "packages/client/dist/src/progress.js",
    before: 'checkedSchema(saved["schema"], schema, name);',
    after: ";",
    suite: "test/dist/golden/clients.test.js",
  },
  {
    name: "a training that was stopped within an epoch goes on with the next",
    file: "packages/cli/dist/src/train/run.js",
    before: "return trained.cursor ?? {",
    after: "return {",
    suite: "packages/cli/dist/test/train.test.js",
  },
  {
    name: "a client that was killed inside an epoch goes on without its optimizer's memory",
    file: "packages/client/dist/src/resumable-training.js",
    before: "state: done.state, ",
    after: "",
    suite: "packages/client/dist/test/resumable-training.test.js",
  },
  {
    name: "half-done training is not found again",
    file: "packages/client/dist/src/progress.js",
    before: 'kept: same ? saved["work"] : undefined',
    after: "kept: undefined",
    suite: "test/dist/kill/half-done.test.js",
  },
  {
    name: "what rounding lost of an update is not kept with the answer",
    file: "packages/client/dist/src/compression.js",
    before: "return saved === undefined ? own : { ...own, [entry]: saved };",
    after: "return own;",
    suite: "test/dist/compression/*.test.js",
  },
];
