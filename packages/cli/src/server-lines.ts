// What the server's events say to a person, one line each. Pure.
import type { RoundTimes, ServerEvent } from "@perennial-fl/server";
import type { CommandEvent } from "./json-lines.js";
import { percent } from "./table.js";

/** The line of an event where no table is drawn, or `undefined` for one that says nothing new. */
export function serverLine(event: ServerEvent | CommandEvent): string | undefined {
  switch (event.type) {
    case "started":
      return `run ${event.run}: round ${event.round} of ${event.rounds} is done`;
    case "listening":
      return `listening on ${event.address}`;
    case "client-joined":
      return `${event.client} joined`;
    case "waiting":
      return `round ${event.round} waits for clients: ${event.available} of ${event.needed} are here`;
    case "round-opened":
      return `round ${event.round} opened for ${event.cohort.join(", ")}`;
    case "evaluation-opened":
      return `round ${event.round}: evaluation by ${event.cohort.join(", ")}`;
    case "result-accepted": {
      const loss = event.loss === undefined ? "" : `, loss ${event.loss.toFixed(4)}`;
      return `round ${event.round}: accepted ${event.phase} of ${event.client} (${event.numExamples} examples${loss})`;
    }
    case "round-committed": {
      const { round, outcome, answered, failed, loss, metrics, parametersSha256 } = event;
      const accuracy = metrics["accuracy"];
      const scores = [
        ...(loss === undefined ? [] : [`loss ${loss.toFixed(4)}`]),
        ...(accuracy === undefined ? [] : [`accuracy ${percent(accuracy)}`]),
      ];
      const counts = `${answered} answered, ${failed} failed`;
      return [`round ${round} ${outcome}: ${counts}`, ...scores, `sha256 ${parametersSha256}`].join(", ");
    }
    case "client-asked":
      return undefined;
    default:
      return serverNotice(event);
  }
}

/** `1234 ms: broadcast 200, clients 800, ...`. */
function stretches(times: RoundTimes): string {
  const parts = {
    broadcast: times.broadcastMs,
    client: times.clientMs,
    upload: times.uploadMs,
    durable: times.durableMs,
    wait: times.waitMs,
    aggregate: times.aggregateMs,
    evaluate: times.evaluateMs,
    commit: times.commitMs,
  };
  const listed = Object.entries(parts).map(([name, ms]) => `${name} ${Math.round(ms)}`);
  return `${Math.round(times.totalMs)} ms: ${listed.join(", ")}`;
}

/** The line of an event that a person must see beside the table, or `undefined` for one that the table shows. */
export function serverNotice(event: ServerEvent | CommandEvent): string | undefined {
  switch (event.type) {
    case "resumed": {
      const held = event.answered.length > 0 ? `; answers of ${event.answered.join(", ")} are kept` : "";
      const open = event.outstanding.length > 0 ? `; still to answer: ${event.outstanding.join(", ")}` : "";
      const next = event.roundOpen ? `, in the middle of round ${event.round + 1}` : "";
      return `resumed run ${event.run} after round ${event.round}${next}${held}${open}`;
    }
    case "round-timed":
      return `round ${event.round} took ${stretches(event)}`;
    case "client-left":
      return `${event.client} left: ${event.message}`;
    case "client-failed":
      return `round ${event.round}: ${event.client} failed to ${event.phase} (${event.reason}): ${event.message}`;
    case "result-ignored":
      return `round ${event.round}: ignored ${event.phase} of ${event.client}, which is ${event.why}`;
    case "checkpoint-failed":
      return `warning: round ${event.round} was not checkpointed at ${event.path}: ${event.message}`;
    case "warning":
      return `warning: ${event.message}`;
    case "state-directory-created":
      return `created the state directory ${event.path}`;
    case "finished":
      return `finished after round ${event.round}, parameters sha256 ${event.parametersSha256}`;
    case "stopped":
      return `stopped after round ${event.round}`;
    default:
      return undefined;
  }
}
