// The server process of the rounds benchmark. Argument: {"stateDir", "megabytes", "rounds", "clients", "tls", "durability"}.
// Says its address when it listens, and how many rounds it did when the model has come back as it went out.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { sameTensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { certificate } from "./federation.js";
import type { Setting } from "./federation.js";
import { madeUpParameters } from "./parameters.js";
import { say } from "./say.js";

const given = JSON.parse(process.argv[2] ?? "") as Setting & { readonly stateDir: string };
const { clients, stateDir } = given;

const initialModel = madeUpParameters(given.megabytes);
const delay = monitorEventLoopDelay({ resolution: 1 });
const { parameters, history } = await startServer({
  address: given.tls ? "localhost:0" : "127.0.0.1:0",
  ...(given.tls && { tls: { cert: certificate("server.pem"), key: certificate("server.key.pem") } }),
  numRounds: given.rounds,
  strategy: fedAvg({ minFitClients: clients, minEvaluateClients: clients, minAvailableClients: clients }),
  initialModel,
  stateDir,
  ...(given.durability && { durability: given.durability }),
  onListening: (address) => {
    say({ address });
  },
  observe: ({ type }) => {
    // Setting up and saying goodbye are not rounds.
    if (type === "round-opened") delay.enable();
    if (type === "round-committed") delay.disable();
  },
});
// Clients echo: whatever was lost or mixed up on the way would show here.
const changed = parameters.findIndex((held, i) => !sameTensor(held, initialModel[i] as Tensor));
if (changed >= 0) throw new Error(`tensor ${changed} did not come back as it went out`);
const whole = history.filter(
  ({ fit, evaluate }) => fit.answered.length === clients && evaluate.answered.length === clients,
);
say({ rounds: whole.length, longestPauseMs: delay.max / 1e6 });
