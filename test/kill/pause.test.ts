// Processes that are stopped and wake again, as a laptop does; a server may die and come back meanwhile.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { ServerEvent } from "@perennial-fl/server";
import { freePort } from "../support/free-port.js";
import { temporaryDirectory } from "../support/temporary.js";
import type { ClientLine } from "./campaign.js";
import type { ClientTask } from "./client-program.js";
import { clientIds, uninterrupted } from "./federation.js";
import type { Digests } from "./federation.js";
import { run } from "./programs.js";
import type { Program } from "./programs.js";
import type { ServerTask } from "./server-program.js";

const rounds = 10;

describe("stopped and continued,", () => {
  let expected: Digests;
  let directory: string;
  let address: string;
  let clients: ReadonlyMap<string, Program<ClientLine>>;

  const server = (): Program<ServerEvent> =>
    run("server-program.js", { address, stateDir: join(directory, "server"), rounds } satisfies ServerTask);
  const client = (id: string): Program<ClientLine> =>
    run("client-program.js", {
      serverAddress: address,
      id,
      stateDir: join(directory, id),
      seed: "stopped",
    } satisfies ClientTask);

  before(async () => {
    expected = await uninterrupted(rounds);
  });

  beforeEach(async () => {
    directory = temporaryDirectory();
    for (const name of ["server", ...clientIds]) mkdirSync(join(directory, name));
    address = `127.0.0.1:${await freePort()}`;
    clients = new Map(clientIds.map((id) => [id, client(id)]));
  });

  afterEach(async () => {
    for (const program of clients.values()) program.signal("SIGKILL");
    await Promise.all([...clients.values()].map(({ ended }) => ended));
  });

  /** Resolves when the phase in progress waits for this client alone. */
  const waitedFor = (program: Program<ServerEvent>, id: string): Promise<void> =>
    program.hear(() => String(outstanding(program.said)) === id);

  it("a client is waited for, and the run ends with the bytes of one without a pause", async () => {
    const running = server();
    await running.hear((event) => event.type === "round-committed");
    clients.get("mary")?.signal("SIGSTOP");
    await waitedFor(running, "mary");
    clients.get("mary")?.signal("SIGCONT");
    await running.ended;
    const last = running.said.at(-1);
    expect(last).to.include({ type: "finished", parametersSha256: expected.rounds.get(rounds) });
    expect(running.said.filter(({ type }) => type === "client-failed")).to.deep.equal([]);
  });

  it("a client finds its server again that died and came back meanwhile, and everyone is sent home", async () => {
    const first = server();
    await first.hear((event) => event.type === "round-committed");
    clients.get("mary")?.signal("SIGSTOP");
    await waitedFor(first, "mary");
    first.signal("SIGKILL");
    await first.ended;
    const second = server();
    await second.hear((event) => event.type === "client-joined");
    clients.get("mary")?.signal("SIGCONT");
    await second.ended;
    expect(second.said.at(-1)).to.include({ type: "finished", parametersSha256: expected.rounds.get(rounds) });
    for (const [id, program] of clients) {
      const { code, stderr } = await program.ended;
      expect(code, `${id}: ${stderr}`).to.equal(0);
    }
  });

  it("a server in the middle of a round is waited for, and asks nobody twice", async () => {
    const running = server();
    await running.hear((event) => event.type === "round-opened" && event.round === 2);
    await running.hear((event) => event.type === "result-accepted" && event.round === 2);
    running.signal("SIGSTOP");
    // Everything that a client can do without its server: what it was asked is answered and kept.
    for (const program of clients.values()) {
      await program.hear((line) => line.type === "trained" && line.round === 2);
    }
    running.signal("SIGCONT");
    await running.ended;
    expect(running.said.at(-1)).to.include({ type: "finished", parametersSha256: expected.rounds.get(rounds) });
    for (const program of clients.values()) {
      await program.ended;
      const trained = program.said.flatMap((line) => (line.type === "trained" ? [line.round] : []));
      expect(trained).to.deep.equal(Array.from({ length: rounds }, (_, round) => round + 1));
    }
  });
});

/** The cohort of the phase in progress, without those whose result was accepted. */
function outstanding(said: readonly ServerEvent[]): readonly string[] {
  const opened = said.findLastIndex(({ type }) => type === "round-opened" || type === "evaluation-opened");
  const phase = said[opened];
  if (phase === undefined || !("cohort" in phase)) return [];
  const accepted = said.slice(opened).flatMap((event) => (event.type === "result-accepted" ? [event.client] : []));
  return phase.cohort.filter((client) => !accepted.includes(client));
}
