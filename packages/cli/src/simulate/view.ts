// How a simulation is shown: who has what, then the rounds. Of the clients, only what went wrong.
import type { ServerEvent } from "@perennial-fl/server";
import { jsonLine } from "../json-lines.js";
import { serverLine } from "../server-lines.js";
import { lineView, serverView } from "../view.js";
import type { Output, View } from "../view.js";
import type { Share } from "./participants.js";

export type SimulateEvent = ServerEvent | { readonly type: "partitioned"; readonly clients: readonly Share[] };

/** What would be a line for every client in every round. */
const quiet: readonly string[] = [
  "client-joined",
  "client-left",
  "result-accepted",
  "waiting",
  "round-opened",
  "evaluation-opened",
  "round-timed",
];

/** More clients than these are summed up. */
const mostShares = 20;

export function simulateView(output: Output, json: boolean, environment: NodeJS.ProcessEnv): View<SimulateEvent> {
  const drawn = output.isTTY === true && environment["TERM"] !== "dumb";
  const view =
    json || drawn
      ? serverView(output, json, environment)
      : lineView<ServerEvent>(output, (event) => (quiet.includes(event.type) ? undefined : serverLine(event)));
  return {
    ...view,
    show(event) {
      if (event.type !== "partitioned") {
        if (json || !drawn || event.type !== "client-left") view.show(event);
      } else if (json) output.write(`${jsonLine(event, new Date())}\n`);
      else for (const line of shareLines(event.clients)) output.write(`${line}\n`);
    },
  };
}

/** `client-3: 120 examples; labels 0: 80, 2: 40`. */
export function shareLines(shares: readonly Share[]): string[] {
  const lines = shares.slice(0, mostShares).map(({ client, examples, labels, keys }) => {
    const counts = Object.entries(labels ?? {}).map(([label, count]) => `${label}: ${count}`);
    const parts = [
      `${examples} examples`,
      ...(keys === undefined ? [] : [keys.join(", ")]),
      ...(counts.length === 0 || counts.length > 20 ? [] : [`labels ${counts.join(", ")}`]),
    ];
    return `${client}: ${parts.join("; ")}`;
  });
  const rest = shares.slice(mostShares);
  if (rest.length === 0) return lines;
  const sizes = rest.map(({ examples }) => examples);
  return [...lines, `and ${rest.length} more clients of ${Math.min(...sizes)} to ${Math.max(...sizes)} examples`];
}
