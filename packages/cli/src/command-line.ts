// The command that a person types to go on where this one stopped.
import { basename } from "node:path";

export interface Started {
  /** `process.argv`. */
  readonly argv: readonly string[];
  /** Whether npx started it. */
  readonly npx: boolean;
  /** The address that a server really listened on, which replaces a port 0. */
  readonly boundAddress?: string | undefined;
}

/** The same command, quoted for a POSIX shell, with what must differ the second time changed. */
export function resumeCommand({ argv, npx, boundAddress }: Started): string {
  const [, script = "perennial", ...given] = argv;
  const program = basename(script) === "perennial" ? [...(npx ? ["npx"] : []), "perennial"] : ["node", script];
  const end = given.indexOf("--");
  const own = end < 0 ? given : given.slice(0, end);
  // A fresh run refused to resume; its second session is a resumption.
  const resumable = replaceOption(own, "--resume", (value) => (value === "never" ? "auto" : value));
  // Clients come back to the port that they knew.
  const reachable = replaceOption(resumable, "--address", (value) =>
    value.endsWith(":0") && boundAddress !== undefined ? boundAddress : value,
  );
  return [...program, ...reachable, ...(end < 0 ? [] : given.slice(end))].map(quote).join(" ");
}

function replaceOption(args: readonly string[], option: string, change: (value: string) => string): string[] {
  return args.map((arg, i) => {
    if (args[i - 1] === option) return change(arg);
    return arg.startsWith(`${option}=`) ? `${option}=${change(arg.slice(option.length + 1))}` : arg;
  });
}

/** A word as a POSIX shell reads it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
