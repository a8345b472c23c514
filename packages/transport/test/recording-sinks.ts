// Sinks that tell how they ended, in order.
import { memorySink } from "@perennial-fl/core";
import type { OpenSink, UpdateSink } from "@perennial-fl/core";

export function recording(make: () => UpdateSink = memorySink): { openSink: OpenSink; ends: string[] } {
  const ends: string[] = [];
  const openSink: OpenSink = () => {
    const sink = make();
    return {
      write: (chunk) => sink.write(chunk),
      close: (spans) => {
        ends.push("closed");
        return sink.close(spans);
      },
      abort: (cause) => {
        ends.push("aborted");
        return sink.abort(cause);
      },
    };
  };
  return { openSink, ends };
}
