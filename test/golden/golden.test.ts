// State directories that earlier versions wrote: this version goes on with them, to the model they were on the way to.
import { cpSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PerRoundStateCheckpointer, parametersSha256 } from "@perennial-fl/checkpointer";
import { loadServerState, serverStateSchema, stateName } from "@perennial-fl/server";
import type { ServerEvent } from "@perennial-fl/server";
import { expect } from "chai";
import { temporaryDirectory } from "../support/temporary.js";
import { federation } from "./federation.js";

const golden = fileURLToPath(new URL("../../golden/", import.meta.url));
const versions = readdirSync(golden).filter((name) => name.startsWith("server-state-"));

function copyOf(version: string): string {
  const directory = temporaryDirectory();
  cpSync(join(golden, version), directory, { recursive: true });
  return directory;
}

function schemaOf(state: Awaited<ReturnType<PerRoundStateCheckpointer["loadCheckpoint"]>>): unknown {
  return state["schema"];
}

describe("golden state directories", () => {
  it("are there for every schema up to the present one", () => {
    const wanted = Array.from({ length: serverStateSchema }, (_, i) => `server-state-${i + 1}`);
    expect(versions).to.deep.equal(wanted);
  });

  for (const version of versions) {
    describe(version, () => {
      const { final } = JSON.parse(readFileSync(join(golden, version, "expected.json"), "utf8")) as { final: string };

      it("goes on from the open round to the model that an uninterrupted run of its version ended with", async () => {
        const events: ServerEvent[] = [];
        const outcome = await federation(copyOf(version), { observe: (event) => events.push(event) });
        const resumed = events.find(({ type }) => type === "resumed");
        expect(resumed).to.deep.include({ round: 1, roundOpen: true, answered: ["client-1", "client-2"] });
        expect(parametersSha256(outcome.parameters)).to.equal(final);
      });

      it("is not written to before the next round commits, so a crash on the way leaves it as it was", async () => {
        const directory = copyOf(version);
        const before = readFileSync(join(directory, stateName));
        await federation(directory, { cutAfter: 2 }).catch(() => undefined);
        expect(readFileSync(join(directory, stateName)).equals(before)).to.equal(true);
      });

      it("is of the present schema after that, and the generation before it still is of its own", async () => {
        const directory = copyOf(version);
        const states = new PerRoundStateCheckpointer(directory);
        const own = schemaOf(await states.loadCheckpoint(stateName));
        await federation(directory, { cutAfter: 5 }).catch(() => undefined);
        const after = new PerRoundStateCheckpointer(directory);
        expect((await loadServerState(after))?.durable.round).to.equal(2);
        expect(schemaOf(await after.loadCheckpoint(stateName))).to.equal(serverStateSchema);
        expect(own).to.equal(Number(version.replace("server-state-", "")));
      });
    });
  }
});
