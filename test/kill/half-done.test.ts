// A client process that is killed inside an epoch, twice: it goes on from the steps it kept, to the same bytes.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parametersSha256 } from "@perennial-fl/checkpointer";
import { startServer } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { expect } from "chai";
import { temporaryDirectory } from "../support/temporary.js";
import { run } from "./programs.js";
import type { Program } from "./programs.js";
import { traineeModule } from "./trainee.js";
import type { TraineeLine, TraineeTask } from "./trainee.js";

interface Outcome {
  readonly sha256: string;
  /** What each of the client's lives said. */
  readonly lives: readonly (readonly string[])[];
}

describe("a client that is killed inside an epoch", () => {
  const running = new Set<Program<TraineeLine>>();

  afterEach(async () => {
    for (const program of running) program.signal("SIGKILL");
    await Promise.all([...running].map(({ ended }) => ended));
  });

  /** Two rounds; one life of the client for each entry, killed when it has kept so many steps. */
  async function federation(kills: readonly number[]): Promise<Outcome> {
    const directory = temporaryDirectory();
    for (const name of ["server", "trainee"]) mkdirSync(join(directory, name));
    const lives: (readonly string[])[] = [];

    async function trainee(serverAddress: string): Promise<void> {
      for (const waitsAfter of [...kills, undefined]) {
        const program = run<TraineeLine>("trainee-program.js", {
          serverAddress,
          stateDir: join(directory, "trainee"),
          ...(waitsAfter !== undefined && { waitsAfter }),
        } satisfies TraineeTask);
        running.add(program);
        if (waitsAfter !== undefined) {
          await program.hear(({ type, steps }) => type === "kept" && steps === waitsAfter);
          program.signal("SIGKILL");
        }
        const { code, stderr } = await program.ended;
        if (waitsAfter === undefined) expect(code, stderr).to.equal(0);
        lives.push(program.said.map(({ type, steps }) => `${type} ${steps}`));
      }
    }

    let trained: Promise<void> | undefined;
    const { parameters } = await startServer({
      address: "127.0.0.1:0",
      stateDir: join(directory, "server"),
      numRounds: 2,
      strategy: fedAvg({ minFitClients: 1, minEvaluateClients: 1, minAvailableClients: 1, fractionEvaluate: 0 }),
      initialModel: traineeModule,
      onListening(address) {
        trained = trainee(address);
      },
    });
    await trained;
    return { sha256: parametersSha256(parameters), lives };
  }

  it("goes on from the steps that it kept, and the model is the same to the bit", async () => {
    const whole = await federation([]);
    const epochs = ["kept 3", "kept 6", "kept 9", "kept 12", "kept 14"];
    expect(whole.lives).to.deep.equal([[...epochs, ...epochs]]);
    const killed = await federation([3, 9]);
    expect(killed.lives).to.deep.equal([
      ["kept 3"],
      ["found 3", "kept 6", "kept 9"],
      ["found 9", "kept 12", "kept 14", ...epochs],
    ]);
    expect(killed.sha256).to.equal(whole.sha256);
  });
});
