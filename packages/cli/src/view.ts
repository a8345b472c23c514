// How a session is shown: lines of JSON, plain lines, or a live table on a terminal.
import type { ServerEvent } from "@perennial-fl/server";
import { jsonLine } from "./json-lines.js";
import type { CommandEvent } from "./json-lines.js";
import { live } from "./live.js";
import { advance, noProgress } from "./server-progress.js";
import { serverLine, serverNotice } from "./server-lines.js";
import { header, liveLines, paint, rowLine } from "./table.js";
import type { Style } from "./table.js";

export interface View<Event extends { readonly type: string }> {
  readonly show: (event: Event | CommandEvent) => void;
  /** Makes room for a line that somebody else writes: what is redrawn in place is gone until the next event. */
  readonly clear: () => void;
  /** Leaves the terminal as a person expects to find it. Nothing is shown afterwards. */
  readonly close: () => void;
}

/** What is written to: `process.stdout`, or a part of it in tests. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** One JSON object a line. */
export function jsonView<Event extends { readonly type: string }>(output: Output, now: () => Date): View<Event> {
  return {
    show: (event) => output.write(`${jsonLine(event, now())}\n`),
    clear: () => undefined,
    close: () => undefined,
  };
}

/** One line an event, as `line` says it. */
export function lineView<Event extends { readonly type: string }>(
  output: Output,
  line: (event: Event | CommandEvent) => string | undefined,
): View<Event> {
  return {
    show(event) {
      const text = line(event);
      if (text !== undefined) output.write(`${text}\n`);
    },
    clear: () => undefined,
    close: () => undefined,
  };
}

const redrawMs = 200;

/** A table of rounds; the open one is redrawn in place, everything else scrolls. */
export function tableView(output: Output, color: boolean, nowMs: () => number): View<ServerEvent> {
  let progress = noProgress;
  const area = live(output);
  let titled = false;
  const style = (): Style => ({ color, columns: output.columns ?? 80 });
  const draw = (printed: readonly string[] = []): void => {
    area.draw(liveLines(progress, nowMs(), style()), printed);
  };
  const timer = setInterval(draw, redrawMs);
  // The table must not keep a finished process alive.
  timer.unref();
  return {
    show(event) {
      progress = advance(progress, event, nowMs());
      const printed: string[] = [];
      if (event.type === "started") printed.push(paint("bold", `run ${event.run}`, style()));
      const notice = serverNotice(event);
      if (notice !== undefined) printed.push(notice);
      const { row, rounds } = progress;
      if (row !== undefined && !titled) {
        printed.push(header(style()));
        titled = true;
      }
      if (event.type === "round-committed" && row !== undefined) printed.push(rowLine(row, rounds, nowMs(), style()));
      draw(printed);
    },
    clear() {
      area.draw([]);
    },
    close() {
      clearInterval(timer);
      area.draw([]);
    },
  };
}

/** Whether to colour: a terminal that was not told otherwise (https://no-color.org). */
export function wantsColor(output: Output, environment: Readonly<Record<string, string | undefined>>): boolean {
  return output.isTTY === true && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
}

/**
 * The server's view for an output: a table on a terminal that can redraw, plain lines elsewhere. Persons are told where
 * a round's time went if they ask for it (`verbose`).
 */
export function serverView(
  output: Output,
  json: boolean,
  environment: NodeJS.ProcessEnv,
  verbose = false,
): View<ServerEvent> {
  if (json) return jsonView(output, () => new Date());
  const view = personsView(output, environment);
  if (verbose) return view;
  return {
    ...view,
    show: (event) => {
      if (event.type !== "round-timed") view.show(event);
    },
  };
}

function personsView(output: Output, environment: NodeJS.ProcessEnv): View<ServerEvent> {
  if (output.isTTY !== true || environment["TERM"] === "dumb") return lineView<ServerEvent>(output, serverLine);
  return tableView(output, wantsColor(output, environment), () => performance.now());
}
