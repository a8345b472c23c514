// Names of durable files: what a name may be, and which names are ours.
import { FederationError } from "@perennial-fl/core";

const allowed = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const reserved = /\.previous$|\.corrupt-\d+$|\.blob$/;
const windowsDevice = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

export const temporaryPrefix = ".tmp-";

/** Returns `name`, or throws `checkpoint/name` if it could lead out of its directory or clash with a file of ours. */
export function checkName(name: string): string {
  if (!allowed.test(name) || name.includes("..") || windowsDevice.test(name)) {
    throw new FederationError(
      "checkpoint/name",
      `a checkpoint's name has 1 to 128 letters, digits, dots, hyphens and underscores, begins with a letter or ` +
        `digit, and has no two dots together: ${JSON.stringify(name.slice(0, 200))} is not one`,
    );
  }
  if (reserved.test(name)) {
    throw new FederationError("checkpoint/name", `the name ${name} is kept for files that storage makes itself`);
  }
  return name;
}

export function previousName(name: string): string {
  return `${name}.previous`;
}

export function corruptName(name: string, count: number): string {
  return `${name}.corrupt-${count}`;
}

export function blobName(sha256: string): string {
  return `${sha256}.blob`;
}

/** The name of a file that blobs take turns in. */
export function slotName(random: string): string {
  return `slot-${random}.blob`;
}

export function isBlobName(name: string): boolean {
  return /^(?:[0-9a-f]{64}|slot-[0-9a-f]{32})\.blob$/.test(name);
}
