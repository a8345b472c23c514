// How the checkpointer says what a person should know and no one waits for.

/** Takes one line. */
export type Report = (message: string) => void;

/** A warning of the process: on standard error unless someone listens. */
export function warn(message: string): void {
  process.emitWarning(message, "CheckpointWarning");
}
