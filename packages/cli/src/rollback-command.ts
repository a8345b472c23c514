// `perennial rollback`: takes a server's run back to a former round.
import { Command } from "commander";
import { rollBack } from "@perennial-fl/server";
import { checkRunDirectory } from "./state-directory.js";
import { whole } from "./values.js";

/** The command. It ends with an error where nothing was changed. */
export function rollbackCommand(): Command {
  return new Command("rollback")
    .description("take the run of a state directory back to a former round; later rounds are given up")
    .argument("<DIR>", "the server's state directory; no server may be using it")
    .requiredOption("--to <ROUND>", "the round whose model and strategy the run goes on with", whole("--to", 0))
    .option("--json", "one JSON object")
    .action(async (directory: string, { to, json }: { readonly to: number; readonly json?: true }) => {
      await checkRunDirectory(directory);
      const warnings: string[] = [];
      const done = await rollBack(directory, to, { report: (message) => warnings.push(message) });
      process.stderr.write(warnings.map((message) => `warning: ${message}\n`).join(""));
      const text = `run ${done.run} is back at round ${done.to}, from round ${done.from}; perennial resume ${directory} goes on\n`;
      process.stdout.write(json ? `${JSON.stringify({ type: "rolled-back", ...done })}\n` : text);
    });
}
