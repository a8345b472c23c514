// Named points of a live federation, each with a kill, an error, a delay and a pause: nothing acknowledged is lost, and
// the final model's bytes are those of a run in which nothing happened. Run by `npm run scorecard`.
import { expect } from "chai";
import { figure } from "../support/figures.js";
import { golden, isPlanned } from "./federation.js";
import type { Interfered } from "./interference.js";
import { interfereWithClient, interfereWithServer } from "./interference.js";
import { actions, clientPoints, serverPoints } from "./points.js";

const sides = [
  { side: "the server", points: serverPoints, rounds: 45, interfere: interfereWithServer },
  { side: "a client", points: clientPoints, rounds: 30, interfere: interfereWithClient },
] as const;

describe("a live federation", () => {
  for (const { side, points, rounds, interfere } of sides) {
    for (const action of actions) {
      it(`ends with the right bytes though ${side} meets ${action} at each of ${points.length} points`, async function () {
        this.timeout(180_000);
        const result = await interfere(action, points, rounds);
        const { failures } = result;
        const unplanned = failures.filter((failure) => !isPlanned(failure));
        expect(mistakes(result, await golden(action, rounds, failures))).to.deep.equal([]);
        expect(result.lost).to.deep.equal([]);
        expect(result.fired).to.have.members(points);
        // Only an error can make an answer come to nothing: everything else is waited for.
        if (action !== "error") expect(unplanned).to.deep.equal([]);
        figure("failpoints", { side, action, points: points.length, unplanned: unplanned.length });
        if (result.upMs.length > 0) {
          figure("restart", { restarts: result.upMs.length, upMs: max(result.upMs), backMs: max(result.backMs) });
        }
      });
    }
  }
});

/** Rounds that ended with other bytes than they should have. */
function mistakes({ said }: Interfered, expected: ReadonlyMap<number, string>): string[] {
  const wrong: string[] = [];
  let last = 0;
  for (const event of said) {
    if (event.type !== "round-committed" && event.type !== "finished") continue;
    last = event.round;
    if (event.parametersSha256 !== expected.get(event.round)) wrong.push(`round ${event.round} (${event.type})`);
  }
  return last === expected.size ? wrong : [...wrong, `ended with round ${last} of ${expected.size}`];
}

function max(values: readonly number[]): number {
  return Math.round(Math.max(...values));
}
