// Reads one protobuf message from a stream, field by field and at any depth, while it arrives.
import { FederationError } from "@perennial-fl/core";
import { lengthOf, malformed, tagOf } from "../wire/protobuf-reader.js";
import type { Field, WireType } from "../wire/protobuf-reader.js";
import { Interrupted } from "./byte-source.js";
import type { Bytes } from "./byte-source.js";

/** A message within the message: its name for errors, and where it ends. */
export interface Scope {
  readonly name: string;
  readonly end: number;
}

/** A field whose value has not been read yet. */
export interface Tag {
  readonly number: number;
  readonly wireType: WireType;
}

/** Throws `wire/malformed` naming the scope, and {@link Interrupted} when the bytes end before the message does. */
export class MessageStream {
  readonly #source: Bytes;
  readonly #mostBuffered: number;
  /** The whole message. */
  readonly root: Scope;
  #position = 0;
  #endedMs: number | undefined;
  #buffered = 0;

  /** A message of `length` bytes, of which at most `mostBuffered` are held in memory. */
  constructor(source: Bytes, length: number, name: string, mostBuffered: number) {
    this.#source = source;
    this.#mostBuffered = mostBuffered;
    this.root = { name, end: length };
  }

  /** When the last byte was taken, by `performance.now`. */
  get endedMs(): number | undefined {
    return this.#endedMs;
  }

  /** How many bytes of a scope are still to come. */
  left(scope: Scope): number {
    return scope.end - this.#position;
  }

  /** The next field of a scope, or nothing at its end. */
  async next(scope: Scope): Promise<Tag | undefined> {
    return this.left(scope) === 0 ? undefined : tagOf(await this.#varint(scope), scope.name);
  }

  /** The scope of a field that holds bytes or a message. */
  async open({ wireType }: Tag, scope: Scope, name: string): Promise<Scope> {
    if (wireType !== "bytes") throw malformed(name, `is a ${wireType}, not bytes`);
    const length = lengthOf(await this.#varint(scope));
    this.#check(scope, length);
    return { name, end: this.#position + length };
  }

  /** A field with its value, which must fit in memory. */
  async value({ number, wireType }: Tag, scope: Scope): Promise<Field> {
    if (wireType === "varint") return { number, wireType, value: await this.#varint(scope) };
    const length = wireType === "bytes" ? lengthOf(await this.#varint(scope)) : wireType === "fixed64" ? 8 : 4;
    return { number, wireType, value: await this.take(scope, length) };
  }

  /** The next bytes in one piece. */
  async take(scope: Scope, length: number): Promise<Uint8Array> {
    this.#check(scope, length);
    this.#buffered += length;
    if (this.#buffered > this.#mostBuffered) {
      const what = `${this.root.name} holds more than ${this.#mostBuffered} bytes besides its tensors`;
      throw new FederationError("wire/too-large", what);
    }
    const parts: Buffer[] = [];
    for (let left = length; left > 0; left -= parts.at(-1)?.byteLength ?? 0) parts.push(await this.some(left));
    // A copy, so that a short text does not keep what arrived with it in memory.
    return Buffer.concat(parts);
  }

  /** From 1 to `most` of the bytes as they come; `most` is within the scope that is being read. */
  async some(most: number): Promise<Buffer> {
    const bytes = this.#source.ready(most) ?? (await this.#source.some(most));
    if (bytes === undefined) throw new Interrupted(`${this.root.name} broke off`);
    this.#position += bytes.byteLength;
    if (this.#position === this.root.end) this.#endedMs = performance.now();
    return bytes;
  }

  /** Passes over a field. */
  async skip({ wireType }: Tag, scope: Scope): Promise<void> {
    if (wireType === "varint") {
      await this.#varint(scope);
      return;
    }
    const length = wireType === "bytes" ? lengthOf(await this.#varint(scope)) : wireType === "fixed64" ? 8 : 4;
    this.#check(scope, length);
    await this.skipTo(this.#position + length);
  }

  /** Passes over everything up to a position, from the message's beginning. */
  async skipTo(position: number): Promise<void> {
    while (this.#position < position) await this.some(position - this.#position);
  }

  async #varint(scope: Scope): Promise<bigint> {
    let value = 0n;
    for (let index = 0; index < 10; index++) {
      this.#check(scope, 1);
      const byte = (await this.some(1))[0] as number;
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed(scope.name, "has an integer of more than 10 bytes");
  }

  #check(scope: Scope, length: number): void {
    const missing = length - this.left(scope);
    if (missing > 0) throw malformed(scope.name, `ends ${missing} bytes too early`);
  }
}
