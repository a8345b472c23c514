// From arguments to an exit code: parses, runs the command, and turns every failure into one line.
import { Command, CommanderError } from "commander";
import { FederationError } from "@perennial-fl/core";
import { clientCommand } from "./client-command.js";
import { errorLine } from "./error-line.js";
import { exitCodeOf, exitCodes } from "./exit-codes.js";
import type { ExitCode } from "./exit-codes.js";
import { inspectCommand } from "./inspect-command.js";
import { resumeRunCommand } from "./resume-command.js";
import { rollbackCommand } from "./rollback-command.js";
import { serverCommand } from "./server-command.js";
import { simulateCommand } from "./simulate/command.js";
import { trainCommand } from "./train/command.js";
import { verifyCommand } from "./verify-command.js";
import { version } from "./version.js";

const nothingGiven =
  "no command was given: perennial server, client, train, simulate, resume, inspect, verify or rollback; see perennial --help";

/** Runs `perennial` with these arguments and resolves to its exit code. Never throws. */
export async function runCommand(argv: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.finished;
  const exit = (code: ExitCode): void => {
    exitCode = code;
  };
  const { own, app } = splitArguments(argv);
  const program = new Command("perennial")
    .description("Federated learning that comes back after every interruption")
    .version(version)
    .helpOption("-h, --help", "show this help")
    .addHelpText(
      "after",
      "\nExit codes: 0 finished, 2 usage, 3 another run, 4 unusable file, 5 storage, 6 network, 7 failed, 130/143 stopped",
    );
  for (const command of [
    serverCommand(exit),
    clientCommand(app, exit),
    trainCommand(app, exit),
    simulateCommand(app, exit),
    resumeRunCommand(exit),
    inspectCommand(exit),
    verifyCommand(exit),
    rollbackCommand(),
  ]) {
    program.addCommand(command.allowExcessArguments(false));
  }
  for (const command of [program, ...program.commands]) {
    // Commander would write errors in its own form and end the process itself.
    command.exitOverride().configureOutput({ outputError: () => undefined });
  }
  try {
    // Commander would show its help, which hides that nothing was done.
    if (own.length === 0) throw new FederationError("argument/invalid", nothingGiven);
    await program.parseAsync(own, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.finished;
    const told = error instanceof CommanderError ? usageError(error, own) : error;
    process.stderr.write(errorLine(told));
    return exitCodeOf(told);
  }
}

/** What stands after the first `--` of `client`, `train` and `simulate` belongs to the app. */
export function splitArguments(argv: readonly string[]): { own: readonly string[]; app: readonly string[] } {
  const end = ["client", "train", "simulate"].includes(argv[0] ?? "") ? argv.indexOf("--") : -1;
  return end < 0 ? { own: argv, app: [] } : { own: argv.slice(0, end), app: argv.slice(end + 1) };
}

function usageError({ code, message }: CommanderError, argv: readonly string[]): FederationError {
  const command = argv[0] !== undefined && /^[a-z]+$/.test(argv[0]) ? ` ${argv[0]}` : "";
  return new FederationError(
    "argument/invalid",
    `${message.replace(/^error: /, "")}; see perennial${code === "commander.unknownCommand" ? "" : command} --help`,
  );
}
