// `perennial inspect`: says what a file or a state directory holds and whether it is sound, and changes nothing.
import { Command } from "commander";
import { describePath } from "@perennial-fl/checkpointer";
import { exitCodes } from "./exit-codes.js";
import type { ExitCode } from "./exit-codes.js";
import { factsOf, inspectionLines, isSound } from "./inspection.js";
import { wantsColor } from "./view.js";

/** The command; `exit` is told 0 if everything is sound, and otherwise the code of an unusable file. */
export function inspectCommand(exit: (code: ExitCode) => void): Command {
  return new Command("inspect")
    .description("describe a module, a state file, a client's store or a state directory")
    .argument("<PATH>", "file or directory")
    .option("--json", "one JSON object a file")
    .action(async (path: string, { json }: { readonly json?: true }) => {
      const facts = factsOf(await describePath(path));
      const color = wantsColor(process.stdout, process.env);
      const lines = json ? facts.map((fact) => JSON.stringify(fact)) : inspectionLines(facts, color);
      process.stdout.write(lines.map((line) => `${line}\n`).join(""));
      exit(facts.every(isSound) ? exitCodes.finished : exitCodes.unusableFile);
    });
}
