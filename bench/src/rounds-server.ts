// The server process of the rounds benchmark. Arguments: STATE_DIR MEGABYTES ROUNDS CLIENTS.
// Says its address when it listens, and how many rounds it did when the model has come back as it went out.
import { sameTensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { madeUpParameters } from "./parameters.js";
import { say } from "./say.js";

const [stateDir = "", ...numbers] = process.argv.slice(2);
const [megabytes = 0, numRounds = 0, clients = 0] = numbers.map(Number);

const initialModel = madeUpParameters(megabytes);
const { parameters, history } = await startServer({
  address: "127.0.0.1:0",
  numRounds,
  strategy: fedAvg({ minFitClients: clients, minEvaluateClients: clients, minAvailableClients: clients }),
  initialModel,
  stateDir,
  onListening: (address) => {
    say({ address });
  },
});
// Clients echo: whatever was lost or mixed up on the way would show here.
const changed = parameters.findIndex((held, i) => !sameTensor(held, initialModel[i] as Tensor));
if (changed >= 0) throw new Error(`tensor ${changed} did not come back as it went out`);
const whole = history.filter(
  ({ fit, evaluate }) => fit.answered.length === clients && evaluate.answered.length === clients,
);
say({ rounds: whole.length });
