// Archived states: which rounds they are of, whatever order their names are listed in.
import { memoryStorage } from "@perennial-fl/checkpointer";
import { expect } from "chai";
import { archivedRounds, archiveName } from "../src/index.js";

describe("archived states", () => {
  it("are listed by round and not by name, and nothing else is taken for one", async () => {
    const storage = memoryStorage();
    const names = [10, 2, 100, 9].map(archiveName);
    for (const name of [...names, "server-state", "other.round-1"]) await storage.replace(name, new Uint8Array(1));
    expect(await archivedRounds(storage)).to.deep.equal([2, 9, 10, 100]);
  });
});
