// Standard output whose reader has gone, as in `perennial server | head -1`.

/** From here on, what nobody reads any more is dropped, and the work goes on. Other failures of an output are thrown. */
export function surviveBrokenPipes(outputs: readonly NodeJS.WriteStream[]): void {
  for (const output of outputs) {
    output.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") throw error;
    });
  }
}
