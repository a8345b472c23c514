// `perennial resume`: goes on with a server's run, from nothing but its directory.
import { Command } from "commander";
import type { ExitCode } from "./exit-codes.js";
import { loadRunRecord } from "./run-record.js";
import { serve } from "./server-run.js";
import { checkRunDirectory } from "./state-directory.js";
import { address, whole } from "./values.js";

interface Given {
  readonly rounds?: number;
  readonly address?: string;
  readonly json?: boolean;
}

/** The command; `exit` is told the code when the server has ended. */
export function resumeRunCommand(exit: (code: ExitCode) => void): Command {
  return new Command("resume")
    .description("go on with the run of a state directory, as its server was started")
    .argument("<DIR>", "the server's state directory")
    .option("--rounds <N>", "rounds from the beginning of the run, instead of those it had", whole("--rounds", 1))
    .option("--address <HOST:PORT>", "where to listen, instead of where it listened", address("--address", 0))
    .option("--json", "one JSON object a line")
    .action(async (stateDir: string, { json = false, ...changed }: Given) => {
      await checkRunDirectory(stateDir);
      const { given, module } = await loadRunRecord(stateDir);
      exit(await serve({ ...given, ...changed, stateDir, resume: "require" }, { bytes: module, json }));
    });
}
