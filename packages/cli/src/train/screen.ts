// How a local training is shown: lines of JSON, plain lines, or on a terminal a line that moves under the curve of its losses.
import type { CommandEvent } from "../json-lines.js";
import { live } from "../live.js";
import { paint } from "../table.js";
import type { Style } from "../table.js";
import { jsonView, lineView, wantsColor } from "../view.js";
import type { Output, View } from "../view.js";
import { curveLines } from "./curve.js";
import type { TrainEvent } from "./events.js";
import { trainLine, trainNotice } from "./lines.js";
import { advanceTraining, noTrainProgress, progressLine } from "./progress.js";

/** The view for an output. A stream of JSON has no steps: they come ten times a second, for the eye alone. */
export function trainView(output: Output, json: boolean, environment: NodeJS.ProcessEnv): View<TrainEvent> {
  if (json) {
    const view = jsonView<TrainEvent>(output, () => new Date());
    return {
      ...view,
      show(event) {
        if (event.type !== "stepped") view.show(event);
      },
    };
  }
  if (output.isTTY !== true || environment["TERM"] === "dumb") return lineView<TrainEvent>(output, trainLine);
  return screenView(output, wantsColor(output, environment), () => performance.now());
}

/** Epochs scroll by as lines; under them the curve and the epoch under way are redrawn in place. */
export function screenView(output: Output, color: boolean, nowMs: () => number): View<TrainEvent> {
  let progress = noTrainProgress;
  const area = live(output);
  const style = (): Style => ({ color, columns: output.columns ?? 80 });
  const picture = (): string[] => {
    const line = progressLine(progress, style());
    return [...curveLines(progress.scores, style()), ...(line === undefined ? [] : [line])];
  };
  return {
    show(event: TrainEvent | CommandEvent) {
      progress = advanceTraining(progress, event, nowMs());
      const said = event.type === "epoch-ended" ? trainLine(event) : trainNotice(event);
      const line =
        event.type === "epoch-ended" && event.best === true && said !== undefined
          ? paint("green", said, style())
          : said;
      area.draw(picture(), line === undefined ? [] : [line]);
    },
    clear() {
      area.draw([]);
    },
    close() {
      // The curve stays as the last thing on the screen; the moving line does not.
      area.draw([], curveLines(progress.scores, style()));
    },
  };
}
