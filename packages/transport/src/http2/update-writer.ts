// Carries tensors from the network into a sink through two buffers, checking the elements on the way.
import { elementSize, firstNonFinite } from "@perennial-fl/core";
import type { StoredResult, TensorSpan, UpdateSink } from "@perennial-fl/core";
import { checkBooleans } from "../wire/npy.js";
import { flatTensor, rowMajorIndex } from "../wire/parameters.js";
import type { TensorTaker } from "./arriving-parameters.js";
import type { MessageStream } from "./message-stream.js";
import type { Place } from "./uploads.js";

/** A tensor whose elements are coming in. */
interface Current {
  readonly span: TensorSpan;
  readonly name: string;
  /** Elements before those in the stage. */
  checked: number;
  firstNonFinite: number | undefined;
}

/** Writes one update. Whatever happens, `settled` must be awaited before the buffers are used again. */
export class UpdateWriter implements TensorTaker {
  readonly #sink: UpdateSink;
  readonly #spans: TensorSpan[] = [];
  #stage: Uint8Array;
  #other: Uint8Array;
  /** How much of the stage is filled, and where in it the current tensor's unchecked elements begin. */
  #filled = 0;
  #unchecked = 0;
  #offset = 0;
  #writing: Promise<unknown> | undefined;

  constructor(sink: UpdateSink, [stage, other]: Place["stages"]) {
    this.#sink = sink;
    this.#stage = stage;
    this.#other = other;
  }

  get tensors(): number {
    return this.#spans.length;
  }

  /** Takes the elements of a tensor out of a message as they arrive; `span` says where they lay in its .npy file. */
  async take(span: TensorSpan, name: string, message: MessageStream): Promise<void> {
    // The check looks at whole elements in their own alignment.
    if (this.#filled % elementSize(span.dtype) !== 0) await this.#flush(undefined);
    this.#unchecked = this.#filled;
    const current: Current = { span, name, checked: 0, firstNonFinite: undefined };
    for (let left = span.byteLength; left > 0;) {
      if (this.#filled === this.#stage.byteLength) await this.#flush(current);
      const bytes = await message.some(Math.min(left, this.#stage.byteLength - this.#filled));
      this.#stage.set(bytes, this.#filled);
      this.#filled += bytes.byteLength;
      left -= bytes.byteLength;
    }
    this.#check(current);
    const found = current.firstNonFinite;
    const nonFinite = found === undefined ? {} : { firstNonFinite: rowMajorIndex(found, span) };
    this.#spans.push({ ...span, offset: this.#offset, ...nonFinite });
    this.#offset += span.byteLength;
  }

  /** Everything is in. Resolves when it is at rest. */
  async close(): Promise<StoredResult> {
    await this.#flush(undefined);
    await this.#writing;
    return this.#sink.close(this.#spans);
  }

  /** Resolves when the sink no longer looks at the buffers. */
  async settled(): Promise<void> {
    await this.#writing?.catch(() => undefined);
  }

  #check(current: Current): void {
    const { span, name } = current;
    const elements = this.#stage.subarray(this.#unchecked, this.#filled);
    checkBooleans(span.dtype, elements, name);
    if (current.firstNonFinite === undefined) {
      const found = firstNonFinite(flatTensor(span, elements));
      if (found >= 0) current.firstNonFinite = current.checked + found;
    }
    current.checked += elements.byteLength / elementSize(span.dtype);
    this.#unchecked = this.#filled;
  }

  /** Hands the stage to the sink and goes on with the other one, as soon as that has been stored. */
  async #flush(current: Current | undefined): Promise<void> {
    if (current !== undefined) this.#check(current);
    await this.#writing;
    if (this.#filled > 0) {
      this.#writing = this.#sink.write(this.#stage.subarray(0, this.#filled)) ?? undefined;
      // Whoever awaits it next hears of a failure; until then it is no unhandled rejection.
      this.#writing?.catch(() => undefined);
    }
    [this.#stage, this.#other] = [this.#other, this.#stage];
    this.#filled = 0;
    this.#unchecked = 0;
  }
}
