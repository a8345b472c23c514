// From the text of an option to its value. What cannot be read is named with its option and what was given.
import type { Retention } from "@perennial-fl/checkpointer";
import { checkClientId } from "@perennial-fl/client";
import { FederationError } from "@perennial-fl/core";

type Read<T> = (text: string) => T;

/** A whole number of at least `least`. */
export function whole(option: string, least: number): Read<number> {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw invalid(option, `a whole number from ${least}`, text);
  };
}

/** Any whole number. */
export function integer(option: string): Read<number> {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && Number.isSafeInteger(value)) return value;
    throw invalid(option, "a whole number", text);
  };
}

/** A number from 0 to 1. */
export function fraction(option: string): Read<number> {
  return (text) => {
    const value = decimal(text);
    if (value >= 0 && value <= 1) return value;
    throw invalid(option, "a number from 0 to 1", text);
  };
}

/** A number of at least 0, and below `limit`. */
export function rate(option: string, limit = Infinity): Read<number> {
  return (text) => {
    const value = decimal(text);
    if (value >= 0 && value < limit) return value;
    throw invalid(option, limit === Infinity ? "a number from 0" : `a number from 0, below ${limit}`, text);
  };
}

/** A number above 0. */
export function positive(option: string): Read<number> {
  return (text) => {
    const value = decimal(text);
    if (value > 0 && value < Infinity) return value;
    throw invalid(option, "a number above 0", text);
  };
}

/** Names with commas between them, at least one. */
export function list(option: string): Read<readonly string[]> {
  return (text) => {
    const names = text.split(",").map((name) => name.trim());
    if (names.every((name) => name !== "")) return names;
    throw invalid(option, "names with commas between them", text);
  };
}

/** Longer timers would fire at once. */
const longestSeconds = Math.floor((2 ** 31 - 1) / 1000);

/** A positive number of seconds. */
export function seconds(option: string): Read<number> {
  return (text) => {
    const value = decimal(text);
    if (value > 0 && value <= longestSeconds) return value;
    throw invalid(option, `a positive number of seconds up to ${longestSeconds}`, text);
  };
}

/** `HOST:PORT`, where an IPv6 host stands in brackets. */
export function address(option: string, leastPort: 0 | 1): Read<string> {
  return (text) => {
    const [, port] = /^(?:\[[0-9A-Fa-f:.%]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(text) ?? [];
    if (port !== undefined && Number(port) >= leastPort && Number(port) <= 65535) return text;
    throw invalid(option, `HOST:PORT with a port from ${leastPort} to 65535`, text);
  };
}

/** One of the given names. */
export function choice<T extends string>(option: string, names: readonly T[]): Read<T> {
  return (text) => {
    const name = names.find((known) => known === text);
    if (name !== undefined) return name;
    throw invalid(option, `one of ${names.join(", ")}`, text);
  };
}

/** `last=K,first,every=N,best=K`, or some of these. */
export function retention(option: string): Read<Retention> {
  return (text) => {
    const policy: Record<string, number | boolean> = {};
    for (const part of text.split(",")) {
      const [, name, count] = /^(last|every|best)=([1-9]\d*)$/.exec(part) ?? (part === "first" ? [part, part] : []);
      if (name === undefined || name in policy) {
        throw invalid(option, "some of last=K,first,every=N,best=K with whole numbers from 1", text);
      }
      policy[name] = count === undefined ? true : Number(count);
    }
    return policy;
  };
}

/** Any text but an empty one. */
export function text(option: string, what: string): Read<string> {
  return (given) => {
    if (given.trim() !== "") return given;
    throw invalid(option, what, given);
  };
}

/** A client's lasting name. Throws what the protocol says of a bad one. */
export function clientId(): Read<string> {
  return checkClientId;
}

function decimal(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
}

function invalid(option: string, wanted: string, given: string): FederationError {
  return new FederationError("argument/invalid", `${option} is ${wanted}, not ${JSON.stringify(given)}`);
}
