// A federated server as a process of its own: says every event as a line of JSON.
import { startServer } from "@perennial-fl/server";
import { serverOptions } from "./federation.js";
import { obeyParent, say } from "./programs.js";

export interface ServerTask {
  readonly address: string;
  readonly stateDir: string;
  readonly rounds: number;
}

const { address, stateDir, rounds } = obeyParent() as ServerTask;
await startServer({ ...serverOptions(stateDir, rounds), address, observe: say });
