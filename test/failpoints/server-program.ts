// A federated server as a process of its own, with failpoints; says every event as a line of JSON.
import { startServer } from "@perennial-fl/server";
import { obeyParent, say } from "../kill/programs.js";
import { optionsOf } from "./federation.js";
import type { Arming } from "./points.js";
import { arm, armDisk } from "./reach.js";

export interface ServerTask {
  readonly address: string;
  readonly stateDir: string;
  readonly rounds: number;
  readonly arming: Arming;
}

const { address, stateDir, rounds, arming } = obeyParent() as ServerTask;
const reach = arm(arming);
armDisk("server's disk", reach);
await startServer({
  ...optionsOf(stateDir, rounds),
  address,
  observe: say,
  failpoint: (point) => reach(`server: ${point}`),
});
