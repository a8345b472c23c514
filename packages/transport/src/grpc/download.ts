// An instruction whose model comes in chunks after it.
import { FederationError, messageOf } from "@perennial-fl/core";
import type { Instruction, Parameters } from "@perennial-fl/core";
import type { ChunkedParameters } from "../chunks/chunked-parameters.js";
import type { PartialModel } from "../chunks/partial-model.js";
import { bytesOfBuffer } from "../http2/byte-source.js";
import { malformed } from "../wire/protobuf-reader.js";
import type { AnnouncedModel, ModelChunk } from "../wire/server-message.js";

/** Puts instructions together again. */
export class Download {
  readonly #model: PartialModel;
  readonly #whole: (instruction: Instruction) => void;
  readonly #failed: (error: FederationError) => void;
  #arriving:
    { readonly question: AnnouncedModel["question"]; readonly model: ChunkedParameters<Parameters> } | undefined;
  /** What has arrived is read in its order. */
  #read: Promise<void> = Promise.resolve();

  /** `whole` is told each instruction, and `failed` why there will be none: `wire/...`. */
  constructor(
    model: PartialModel,
    whole: (instruction: Instruction) => void,
    failed: (error: FederationError) => void,
  ) {
    this.#model = model;
    this.#whole = whole;
    this.#failed = failed;
  }

  announced({ question, announced, offset }: AnnouncedModel): void {
    const model = this.#model.begin(announced, offset, `${question.type}_ins.parameters`);
    this.#arriving = { question, model };
    this.#then(() => this.#finish());
  }

  /** Throws `wire/malformed` for a chunk that nothing announced. */
  chunk({ offset, data }: ModelChunk): void {
    const arriving = this.#arriving;
    if (arriving === undefined) throw malformed("ServerMessage", "holds a chunk of a model that nothing announced");
    this.#then(async () => {
      await arriving.model.take({ offset, byteLength: data.byteLength, bytes: bytesOfBuffer(data) });
      await this.#finish();
    });
  }

  /** The question in hand has been answered, and its model will not be asked with again. */
  answered(): void {
    this.#model.clear();
  }

  async #finish(): Promise<void> {
    const { question, model } = this.#arriving ?? {};
    if (question === undefined || model === undefined || model.offset < model.announced.byteLength) return;
    this.#arriving = undefined;
    this.#whole({ ...question, parameters: await model.whole() });
  }

  #then(next: () => Promise<void>): void {
    this.#read = this.#read.then(next).catch((error: unknown) => {
      // Sent again, it would be no better for what is held of it.
      this.#model.clear();
      this.#failed(
        error instanceof FederationError ? error : malformed("ServerMessage", `cannot be read: ${messageOf(error)}`),
      );
    });
  }
}
