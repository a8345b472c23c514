// Servers and clients as real processes, killed at random instants: nothing acknowledged is lost, and the bytes agree.
// KILLS=200 is the full suite (at least 50 clients are killed too, or CLIENT_KILLS); SEED=… replays what a run has printed.
import { expect } from "chai";
import { campaign } from "./campaign.js";
import type { CampaignResult } from "./campaign.js";
import { uninterrupted } from "./federation.js";
import type { Digests } from "./federation.js";

const serverKills = Number(process.env["KILLS"] ?? 15);
const clientKills = Number(process.env["CLIENT_KILLS"] ?? Math.ceil(serverKills / 4) + 2);
const seed = process.env["SEED"] ?? String(process.pid);
const rounds = 8;

describe(`killed at random (SEED=${seed})`, () => {
  const results: CampaignResult[] = [];
  let expected: Digests;
  const sum = (count: (result: CampaignResult) => number): number =>
    results.reduce((n, result) => n + count(result), 0);

  before(async function () {
    this.timeout(20_000 + 3_000 * (serverKills + clientKills));
    expected = await uninterrupted(rounds);
    for (let number = 0; sum((r) => r.serverKills) < serverKills || sum((r) => r.clientKills) < clientKills; number++) {
      const perCampaign = { serverKills: 15, clientKills: Math.max(6, Math.round((15 * clientKills) / serverKills)) };
      results.push(await campaign({ seed: `${seed}/${number}`, rounds, ...perCampaign }));
    }
    console.log(
      `    ${sum((r) => r.serverKills)} kills of servers (${sum((r) => r.midRound)} between an acceptance and a commit) ` +
        `and ${sum((r) => r.clientKills)} of clients in ${results.length} runs; ` +
        `${sum((r) => r.lookedUp)} acknowledgements looked up on disk`,
    );
  });

  it("nothing that a server had acknowledged is missing from its disk, nothing is damaged, and no training is repeated", () => {
    expect(results.flatMap(({ wrong }) => wrong)).to.deep.equal([]);
  });

  it("every run ends, with the bytes of an uninterrupted one after every round", () => {
    for (const { digests, final } of results) {
      for (const [round, digest] of digests.rounds) {
        expect(digest, `after round ${round}`).to.equal(expected.rounds.get(round));
      }
      expect(final).to.equal(expected.rounds.get(rounds));
      expect(digests.latest, "the latest module").to.equal(expected.latest);
      expect(digests.best, "the best module").to.equal(expected.best);
    }
  });

  it("kills land where it hurts: in open rounds, with results to lose", () => {
    expect(sum((r) => r.midRound)).to.be.greaterThan(serverKills / 5);
    expect(sum((r) => r.lookedUp)).to.be.greaterThan(serverKills);
  });
});
