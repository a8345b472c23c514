// `perennial verify`: reads every file of a state directory and says whether all is whole and belongs together.
import { Command } from "commander";
import { verifyDirectory } from "@perennial-fl/server";
import type { Verification } from "@perennial-fl/server";
import { exitCodes } from "./exit-codes.js";
import type { ExitCode } from "./exit-codes.js";
import { paint } from "./table.js";
import { wantsColor } from "./view.js";

/** The command; `exit` is told the code of an unusable file if anything is wrong. */
export function verifyCommand(exit: (code: ExitCode) => void): Command {
  return new Command("verify")
    .description("check every file of a state directory against its digest, and that they belong together")
    .argument("<DIR>", "a state directory that nobody is writing to")
    .option("--json", "one JSON object")
    .action(async (directory: string, { json }: { readonly json?: true }) => {
      const found = await verifyDirectory(directory);
      const color = wantsColor(process.stdout, process.env);
      const lines = json ? [JSON.stringify({ type: "verified", ...found })] : verificationLines(found, color);
      process.stdout.write(lines.map((line) => `${line}\n`).join(""));
      exit(found.findings.length === 0 ? exitCodes.finished : exitCodes.unusableFile);
    });
}

/** Lines for a person: what is wrong, what is remarkable, and the verdict. */
export function verificationLines(found: Verification, color: boolean): string[] {
  const { directory, files, results, findings, notes } = found;
  const verdict =
    findings.length === 0
      ? paint("green", "whole", { color })
      : paint("red", `${findings.length} ${findings.length === 1 ? "problem" : "problems"}`, { color });
  return [
    ...findings.map(({ path, problem }) => `${paint("red", "✗", { color })} ${path}: ${problem}`),
    ...notes.map((note) => `${paint("yellow", "·", { color })} ${note}`),
    `${directory}: ${verdict}; ${files} files and ${results} results of the open round were read`,
  ];
}
