// The lower part of a terminal, drawn again and again in place while other lines scroll by above it.
import type { Output } from "./view.js";

export interface Live {
  /** Prints lines for good, and under them those that the next drawing replaces. */
  readonly draw: (lines: readonly string[], printed?: readonly string[]) => void;
}

export function live(output: Output): Live {
  let drawn = 0;
  return {
    draw(lines, printed = []) {
      // To the left (Ctrl-C echoes), up over what is drawn, then clear to the end of the screen.
      const erase = drawn === 0 ? "" : `\r\u001b[${drawn}A\u001b[J`;
      output.write(erase + [...printed, ...lines].map((line) => `${line}\n`).join(""));
      drawn = lines.length;
    },
  };
}
