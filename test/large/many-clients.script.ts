// Two rounds of 200 clients and a model of 100 MB, all of them different: the server holds none of the 20 GB in memory,
// has them on its disk only while their round is open, and says before that how many there will be. Too large for every
// test run: `npm run test:large`. It wants 24 GB in the temporary directory.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../kill/programs.js";
import { temporaryDirectory } from "../support/temporary.js";
import { clients, modelBytes, rounds } from "./big-model.js";
import type { Said } from "./many-server.js";

const mega = 1e6;

function bytesIn(directory: string): number {
  const entries = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return entries.reduce((sum, name) => {
    // What is removed meanwhile counts for nothing.
    const found = statSync(join(directory, name), { throwIfNoEntry: false });
    return sum + (found?.isFile() ? 512 * found.blocks : 0);
  }, 0);
}

describe("A federation of 200 clients x 100 MB", () => {
  it("costs the server the memory of a few models, and the disk that it announced", async () => {
    const stateDir = temporaryDirectory();
    const began = performance.now();
    const server = run<Said>("../large/many-server.js", { stateDir });
    let address = "";
    await server.hear((said) => {
      if (said.type === "listening") address = said.address;
      return said.type === "listening";
    });
    const fleet = run("../large/many-clients.js", { address });
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, bytesIn(stateDir))), 500);
    const { code, stderr } = await server.ended;
    clearInterval(watch);
    const left = bytesIn(stateDir);
    const over = server.said.flatMap((said) => (said.type === "over" ? [said] : []))[0];
    const spaces = server.said.flatMap((said) => (said.type === "space" ? [said.needed] : []));
    const answered = server.said.flatMap((said) => (said.type === "round-committed" ? [said.answered] : []));
    const [seconds, peak] = [(performance.now() - began) / 1000, (over?.peak ?? Infinity) / mega];
    console.log(
      `    ${rounds} rounds of ${clients} x 100 MB: ${seconds.toFixed(0)} s; the server held ${peak.toFixed(0)} MB at most; ` +
        `its directory ${(most / mega).toFixed(0)} MB of ${((spaces[0] ?? 0) / mega).toFixed(0)} MB announced, and ${(left / mega).toFixed(0)} MB at the end`,
    );
    expect(code, stderr).to.equal(0);
    expect(await fleet.ended).to.include({ code: 0, stderr: "" });
    expect(answered).to.deep.equal(Array(rounds).fill(clients));
    expect(over?.wrong).to.equal(0);
    expect(spaces).to.deep.equal(Array(rounds).fill((clients + 1) * modelBytes));
    expect(peak).to.be.below(700);
    // Beside what a round needs stand the two generations of the state that were there before it.
    expect(most).to.be.within(clients * modelBytes, (clients + 3.5) * modelBytes);
    expect(left).to.be.below(2.1 * modelBytes);
  }).timeout(1_800_000);
});
