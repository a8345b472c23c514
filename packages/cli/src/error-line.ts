// A failure as the one line that a person reads.
import { isFederationError, messageOf } from "@perennial-fl/core";

/** `error: <message> (<code>)`, whatever was thrown. */
export function errorLine(error: unknown): string {
  return `error: ${messageOf(error).replaceAll(/\s*\n\s*/g, " ")} (${reportedCode(error)})\n`;
}

/** The code of an error; what has none is a mistake of ours. */
export function reportedCode(error: unknown): string {
  return isFederationError(error) ? error.code : "unexpected";
}
