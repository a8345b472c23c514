// The deliberate defects of the journal's and the state's files.
import type { Mutant } from "./mutant.js";

const checkpointer = "packages/checkpointer/dist/src";
const journal = "packages/checkpointer/dist/test/journal.test.js";
const historyLines = "packages/server/dist/src/history-lines.js";
const linesSuite = "packages/server/dist/test/history-lines.test.js";

export const durableFileMutants: readonly Mutant[] = [
  {
    name: "a long digest holds up whoever else waits",
    file: `${checkpointer}/absorb.js`,
    before: "await turn();",
    after: "",
    suite: "packages/checkpointer/dist/test/absorb.test.js",
  },
  {
    name: "a record that begins the journal anew does not end the round before",
    file: `${checkpointer}/journal.js`,
    before: "if (decoded.anew)",
    after: "if (decoded.anew && records.length === 0)",
    suite: journal,
  },
  {
    name: "a retired round loses its results before the next one begins",
    file: `${checkpointer}/journal.js`,
    before: "retired = [...(retired ?? []), ...results.takeBlobs()];",
    after: "await storage.removeBlobs((retired = results.takeBlobs()));",
    suite: journal,
  },
  {
    name: "the journal grows with the rounds",
    file: `${checkpointer}/journal.js`,
    before: "if (byteLength > mostBytes)",
    after: "if (byteLength > mostBytes && entries.length > 10)",
    suite: journal,
  },
  {
    name: "the results of a retired round stay for ever",
    file: `${checkpointer}/journal.js`,
    before: "await storage.removeBlobs(over.filter((name) => !results.isKnown(name)));",
    after: "await storage.removeBlobs(over.slice(over.length));",
    suite: journal,
  },
  {
    name: "a slot whose bytes have changed is taken for the result that it held",
    file: `${checkpointer}/blob-reference.js`,
    before: "if (sha256 === undefined)\n        return problemOfBytes(reference, reader);",
    after: "if (sha256 === undefined)\n        return undefined;",
    suite: "packages/checkpointer/dist/test/recycled-slots.test.js",
  },
  {
    name: "each save makes the lines of the whole history again",
    file: historyLines,
    before: "known.set(record, lines);",
    after: ";",
    suite: linesSuite,
  },
  {
    name: "a history that is continued twice shares its lines",
    file: historyLines,
    before: "&& buffer[end] === 0",
    after: "",
    suite: linesSuite,
  },
];
