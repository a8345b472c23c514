// The power goes at every instant of a real server's run: started again, it ends with the same bytes, and asks nobody
// again whose result it had accepted. CRASH_LIMIT as in crash.test.ts.
import { nodeDisk } from "@perennial-fl/checkpointer";
import type { Disk } from "@perennial-fl/checkpointer";
import { startServer } from "@perennial-fl/server";
import type { Durability, ServerEvent } from "@perennial-fl/server";
import { expect } from "chai";
import { serverOptions } from "../kill/federation.js";
import { figure } from "../support/figures.js";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { toyClients } from "../support/toy-clients.js";
import type { Subject } from "./explore.js";
import { explore } from "./explore.js";
import { directory, memoryDisk } from "./memory-disk.js";

const limit = Math.max(2, Number(process.env["CRASH_LIMIT"] ?? 32) >> 2);
const rounds = 2;

interface Life {
  readonly accepted: readonly string[];
  readonly asked: readonly string[];
  readonly final: string | undefined;
}

interface Session {
  readonly durability?: Durability;
  /** As the server has it. */
  readonly heldBytes?: number;
  /** Told how many results the server has accepted. */
  readonly accepts?: (count: number) => void;
  /** Told each round that is committed. */
  readonly commits?: (round: number) => void;
}

/** One server over the disk, to the end of its plan. */
async function serve(
  disk: Disk,
  { durability = "result", heldBytes = 0, accepts, commits }: Session = {},
): Promise<Life> {
  const accepted: string[] = [];
  const asked: string[] = [];
  let final: string | undefined;
  const observe = (event: ServerEvent): void => {
    if (event.type === "finished") final = event.parametersSha256;
    if (event.type === "warning" || event.type === "checkpoint-failed") warned(event.message, durability);
    if (event.type === "round-committed") commits?.(event.round);
    if (event.type !== "result-accepted") return;
    accepted.push(`${event.round} ${event.phase} ${event.client}`);
    accepts?.(accepted.length);
  };
  await onDisk(disk, () =>
    startServer({
      ...serverOptions(directory, rounds),
      durability,
      heldBytes,
      observe,
      openFleet: (openSink) =>
        scriptedFleet({
          clients: toyClients(3),
          openSink,
          arrival: 1,
          onAsked: (client, { round, phase }) => asked.push(`${round} ${phase} ${client}`),
        }),
    }),
  );
  return { accepted, asked, final };
}

/**
 * The warnings that a power loss may cause: of the two renames of a save only the first has reached the disk; or the
 * journal of the open round was not waited for, and is damaged.
 */
function warned(message: string, durability: Durability): void {
  if (message.includes("is missing; the generation before it is used")) return;
  if (durability === "round" && message.includes("begins again")) return;
  throw new Error(message);
}

/** Puts `disk` in the place of the machine's own while `run` goes on: a server has no other way to its directory. */
async function onDisk<T>(disk: Disk, run: () => Promise<T>): Promise<T> {
  const own = { ...nodeDisk };
  Object.assign(nodeDisk, disk);
  try {
    return await run();
  } finally {
    Object.assign(nodeDisk, own);
  }
}

describe("when the power goes while a server runs", () => {
  for (const [names, heldBytes] of [
    ["ordered", 0],
    ["any", 0],
    ["any", 1 << 14],
  ] as const) {
    const order = names === "any" ? "any selection" : "order";
    const where = heldBytes > 0 ? "small results in the journal" : "results in slots";
    it(`it comes back with everything it had accepted: ${where}, names reaching the disk in ${order}`, async function () {
      this.timeout(600_000);
      const whole = await serve(memoryDisk(), { heldBytes });
      let accepted: readonly string[] = [];
      const server: Subject = {
        name: "a server",
        async write(disk, mark) {
          accepted = (
            await serve(disk, {
              heldBytes,
              accepts: (step) => {
                mark({ type: "acknowledged", step });
              },
            })
          ).accepted;
        },
        async recover(disk, { acknowledged }) {
          const life = await serve(disk, { heldBytes });
          const again = accepted.slice(0, acknowledged).filter((each) => life.asked.includes(each));
          if (again.length > 0) throw new Error(`lost: asked again for ${again.join(", ")}`);
          if (life.final !== whole.final) throw new Error(`ended with ${String(life.final)}`);
        },
      };
      const { states, distinct, violations } = await explore(server, { names, limit, seed: "server", again: false });
      figure("crash states", { states, recovered: distinct, violations: violations.length, flagged: 0 });
      expect(violations.slice(0, 5)).to.deep.equal([]);
      expect(accepted).to.have.length(rounds * 6);
      expect(distinct).to.be.greaterThan(100);
    });
  }

  it("it loses no committed round when it waits for the disk at commits alone, and only the open round begins again", async function () {
    this.timeout(600_000);
    const whole = await serve(memoryDisk(), { durability: "round" });
    const server: Subject = {
      name: "a server that waits for the disk at commits",
      async write(disk, mark) {
        const commits = (step: number): void => {
          mark({ type: "acknowledged", step });
        };
        await serve(disk, { durability: "round", commits });
      },
      async recover(disk, { acknowledged }) {
        const life = await serve(disk, { durability: "round" });
        const again = life.asked.filter((each) => Number.parseInt(each, 10) <= acknowledged);
        if (again.length > 0) throw new Error(`lost a committed round: asked again for ${again.join(", ")}`);
        if (life.final !== whole.final) throw new Error(`ended with ${String(life.final)}`);
      },
    };
    // Much more is under way at every instant here, so fewer orders of each are tried.
    const options = { names: "any", limit: Math.max(2, limit >> 2), seed: "round", again: false } as const;
    const { states, distinct, violations } = await explore(server, options);
    figure("crash states", { states, recovered: distinct, violations: violations.length, flagged: 0 });
    expect(violations.slice(0, 5)).to.deep.equal([]);
    expect(distinct).to.be.greaterThan(100);
  });
});
