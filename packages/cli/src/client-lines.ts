// What the client's events say to a person, one line each. Pure.
import { numberOf } from "@perennial-fl/core";
import type { RequestKey } from "@perennial-fl/core";
import type { ClientEvent } from "@perennial-fl/client";
import type { CommandEvent } from "./json-lines.js";
import { percent } from "./table.js";

/** The line of an event, or `undefined` for one that says nothing to a person. */
export function clientLine(event: ClientEvent | CommandEvent): string | undefined {
  switch (event.type) {
    case "started":
      return `client ${event.clientId}${event.stateDir === undefined ? "" : `, state in ${event.stateDir}`}`;
    case "connected":
      return event.run === undefined ? "connected" : `connected, run ${event.run}`;
    case "restored":
      return `restored the state after round ${event.key.round}`;
    case "asked":
      return `${place(event.key)}asked to ${verbs[event.question]}`;
    case "answered":
      return `${place(event.key)}answered ${event.question}${event.fromStore ? " from the store" : ""}${scores(event)}`;
    case "failed":
      return `${place(event.key)}failed to ${verbs[event.question]}: ${event.message} (${event.code})`;
    case "warning":
      return `warning: ${event.message}`;
    case "disconnected":
      return `disconnected: ${event.message}`;
    case "waiting":
      return event.reason === "told"
        ? `the server said to come back in ${(event.ms / 1000).toFixed(0)} s`
        : `trying again in ${(event.ms / 1000).toFixed(1)} s`;
    case "finished":
      return event.reason === "server" ? "finished: the run is over" : "stopped";
    case "state-directory-created":
      return `created the state directory ${event.path}`;
    case "listening":
    case "error":
      return undefined;
  }
}

const verbs = {
  fit: "train",
  evaluate: "evaluate",
  parameters: "give parameters",
  properties: "give properties",
} as const;

function place(key: RequestKey | undefined): string {
  return key === undefined ? "" : `round ${key.round}: `;
}

function scores({ numExamples, loss, metrics }: Extract<ClientEvent, { type: "answered" }>): string {
  const given = loss ?? numberOf(metrics?.["loss"]);
  const accuracy = numberOf(metrics?.["accuracy"]);
  return [
    ...(numExamples === undefined ? [] : [`${numExamples} examples`]),
    ...(given === undefined ? [] : [`loss ${given.toFixed(4)}`]),
    ...(accuracy === undefined ? [] : [`accuracy ${percent(accuracy)}`]),
  ]
    .map((part) => `, ${part}`)
    .join("");
}
