// How the request key of our own peers travels: as one reserved entry of an instruction's configuration.
import { FederationError, keyText } from "@perennial-fl/core";
import type { Config, RequestKey } from "@perennial-fl/core";
import { malformed } from "./protobuf-reader.js";

/** The reserved name. Stock Flower clients never see it: they do not identify themselves. */
export const keyEntry = "perennial.key";

/** The configuration as it is sent. Throws `argument/invalid` if it uses the reserved name itself. */
export function withKey(config: Config, key: RequestKey | undefined): Config {
  if (Object.hasOwn(config, keyEntry)) {
    throw new FederationError("argument/invalid", `the configuration's name ${keyEntry} is reserved`);
  }
  return key === undefined ? config : { ...config, [keyEntry]: keyText(key) };
}

/** Takes the key out of a received configuration. */
export function splitKey(received: Config, name: string): { readonly config: Config; readonly key?: RequestKey } {
  if (!Object.hasOwn(received, keyEntry)) return { config: received };
  const config = Object.assign(Object.create(null) as Record<string, never>, received);
  const text = received[keyEntry];
  const parts = typeof text === "string" ? /^(.{1,200})\/(\d{1,15})\/(\d{1,15})\/(fit|evaluate)$/.exec(text) : null;
  if (parts === null) throw malformed(`${name}[${JSON.stringify(keyEntry)}]`, "is no request key");
  const [, run = "", round, attempt, phase] = parts;
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the object was made here a moment ago.
  delete config[keyEntry];
  return { config, key: { run, round: Number(round), attempt: Number(attempt), phase: phase as RequestKey["phase"] } };
}
