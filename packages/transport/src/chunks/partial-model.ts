// The model that a client is receiving in chunks: its tensors fill in place, over as many connections as it takes.
import { FederationError, messageOf, tensorFromSpan } from "@perennial-fl/core";
import type { Parameters, Tensor, TensorSpan } from "@perennial-fl/core";
import { receiveParameters } from "../http2/arriving-parameters.js";
import type { TensorTaker } from "../http2/arriving-parameters.js";
import type { MessageStream } from "../http2/message-stream.js";
import type { HeldModel } from "../introduction.js";
import type { Announced } from "../wire/chunks.js";
import { checkBooleans } from "../wire/npy.js";
import { checkTensorType, encodeParameters } from "../wire/parameters.js";
import { malformed } from "../wire/protobuf-reader.js";
import { ChunkedParameters } from "./chunked-parameters.js";
import { defaultPartialLimits } from "./limits.js";
import { announcedOf } from "./outgoing-chunks.js";

/**
 * Belongs to one client and goes from each of its connections to the next. Holds one model at most, until its question
 * has been answered: a client that lost its connection in the middle of its answer is asked once more.
 */
export class PartialModel {
  #parameters: ChunkedParameters<Parameters> | undefined;
  /** The whole model is what was announced, and nobody has had it in hand since that was looked at. */
  #unchanged = false;

  /** What the server need not send again. */
  async held(): Promise<HeldModel | undefined> {
    const parameters = this.#parameters;
    if (parameters === undefined) return undefined;
    const { announced, offset } = parameters;
    const { sha256, byteLength } = announced;
    if (offset < byteLength) return offset > 0 ? { sha256, offset } : undefined;
    // The client has had it in hand meanwhile. One that it changed would be another question's.
    if (!this.#unchanged) {
      const found = await announcedOf(encodeParameters(await parameters.whole()));
      this.#unchanged = found.sha256 === sha256;
    }
    if (this.#unchanged) return { sha256, offset };
    this.clear();
    return undefined;
  }

  /** The place for a model whose chunks begin at `offset`; what was held of another is let go. Throws `wire/malformed`. */
  begin(announced: Announced, offset: number, name: string): ChunkedParameters<Parameters> {
    const before = this.#parameters;
    this.#unchanged = false;
    const goesOn = offset > 0 && before?.announced.sha256 === announced.sha256 && before.offset === offset;
    if (offset > 0 && !goesOn) {
      throw malformed(`${name}.offset`, `is ${offset}, and ${before?.offset ?? 0} bytes are held`);
    }
    if (goesOn) return before;
    this.clear();
    return (this.#parameters = new ChunkedParameters(announced, name, defaultPartialLimits.scalarsBytes, (message) =>
      readTensors(message, name),
    ));
  }

  /** Holds nothing any more. */
  clear(): void {
    void this.#parameters?.abandon();
    this.#parameters = undefined;
  }
}

async function readTensors(message: MessageStream, name: string): Promise<Parameters> {
  const taker = new TensorsInPlace();
  const type = await receiveParameters(message, message.root, taker);
  checkTensorType(taker.tensors, type ?? "", name);
  return taker.parameters;
}

/** Tensors whose elements arrive where they stay. */
class TensorsInPlace implements TensorTaker {
  readonly parameters: Tensor[] = [];

  get tensors(): number {
    return this.parameters.length;
  }

  async take(span: TensorSpan, name: string, message: MessageStream): Promise<void> {
    const elements = allocate(span.byteLength, name);
    for (let filled = 0; filled < elements.byteLength;) {
      const bytes = await message.some(elements.byteLength - filled);
      elements.set(bytes, filled);
      filled += bytes.byteLength;
    }
    checkBooleans(span.dtype, elements, name);
    this.parameters.push(tensorFromSpan(span, elements));
  }
}

function allocate(byteLength: number, name: string): Uint8Array {
  try {
    return new Uint8Array(byteLength);
  } catch (cause) {
    const what = `${name} has ${byteLength} bytes, for which there is no memory: ${messageOf(cause)}`;
    throw new FederationError("wire/too-large", what, { cause });
  }
}
