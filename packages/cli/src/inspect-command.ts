// `perennial inspect`: says what a file or a state directory holds, whether it is sound, and whether a module can be trained.
import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { describePath } from "@perennial-fl/checkpointer";
import { OnnxModule, trainability } from "@perennial-fl/module";
import { exitCodes } from "./exit-codes.js";
import type { ExitCode } from "./exit-codes.js";
import { factsOf, inspectionLines, isSound, withTrainability } from "./inspection.js";
import type { Facts } from "./inspection.js";
import { wantsColor } from "./view.js";

/** The command; `exit` is told 0 if everything is sound, and otherwise the code of an unusable file. */
export function inspectCommand(exit: (code: ExitCode) => void): Command {
  return new Command("inspect")
    .description(
      "describe a module (also whether it can be trained), a state file, a client's store or a state directory",
    )
    .argument("<PATH>", "file or directory")
    .option("--json", "one JSON object a file")
    .action(async (path: string, { json }: { readonly json?: true }) => {
      const description = await describePath(path);
      const [first, ...rest] = factsOf(description) as [Facts, ...Facts[]];
      const facts =
        description.kind === "module" && description.format === "onnx"
          ? [withTrainability(first, trainability(OnnxModule.fromBytes(await readFile(path))))]
          : [first, ...rest];
      const color = wantsColor(process.stdout, process.env);
      const lines = json ? facts.map((fact) => JSON.stringify(fact)) : inspectionLines(facts, color);
      process.stdout.write(lines.map((line) => `${line}\n`).join(""));
      exit(facts.every(isSound) ? exitCodes.finished : exitCodes.unusableFile);
    });
}
