// What serving and training have in common at the command line: a view, a clean stop, and an exit code.
import { messageOf } from "@perennial-fl/core";
import type { CommandEvent } from "./json-lines.js";
import { resumeCommand } from "./command-line.js";
import { errorLine, reportedCode } from "./error-line.js";
import { exitCodeOf, exitCodeOfSignal, exitCodes } from "./exit-codes.js";
import type { ExitCode } from "./exit-codes.js";
import { listenForInterrupt } from "./interrupt.js";
import { ensureStateDirectory } from "./state-directory.js";
import type { View } from "./view.js";

export interface Session<Event extends { readonly type: string }> {
  readonly view: View<Event>;
  readonly stateDir: string;
  readonly json: boolean;
  /**
   * Resolves to whether the work was done to its end. `openDirectory` creates the state directory if only it is missing:
   * called when everything else that was given is found to be good.
   */
  readonly work: (
    show: View<Event>["show"],
    signal: AbortSignal,
    openDirectory: () => Promise<void>,
  ) => Promise<boolean>;
}

/** Runs a session to its end, to the first Ctrl-C, or to an error, and says what came of it. */
export async function runSession<Event extends { readonly type: string }>(session: Session<Event>): Promise<ExitCode> {
  const { view, stateDir, json, work } = session;
  let boundAddress: string | undefined;
  const show = (event: Event | CommandEvent): void => {
    if (event.type === "listening") boundAddress = (event as Extract<CommandEvent, { type: "listening" }>).address;
    view.show(event);
  };
  const interrupt = listenForInterrupt(() => {
    if (json) return;
    view.clear();
    process.stderr.write("stopping: what is under way is finished and kept; Ctrl-C again quits at once\n");
  });
  try {
    const finished = await work(show, interrupt.signal, async () => {
      if (await ensureStateDirectory(stateDir)) show({ type: "state-directory-created", path: stateDir });
    });
    view.close();
    if (finished) return exitCodes.finished;
    const command = resumeCommand({
      argv: process.argv,
      npx: process.env["npm_command"] === "exec",
      boundAddress,
    });
    process.stderr.write(`to resume: ${command}\n`);
    return exitCodeOfSignal(interrupt.cause() ?? "SIGTERM");
  } catch (error) {
    const exitCode = exitCodeOf(error);
    if (json) show({ type: "error", code: reportedCode(error), message: messageOf(error), exitCode });
    view.close();
    process.stderr.write(errorLine(error));
    return exitCode;
  } finally {
    interrupt.release();
  }
}
