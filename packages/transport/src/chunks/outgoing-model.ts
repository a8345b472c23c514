// An instruction whose model goes out in chunks, from where the client left off.
import type { Instruction, Parameters } from "@perennial-fl/core";
import type { HeldModel, TakesChunks } from "../introduction.js";
import type { Lengths } from "../options.js";
import { encodeChunk } from "../wire/chunks.js";
import type { Announced } from "../wire/chunks.js";
import { lengthOfPieces } from "../wire/protobuf-writer.js";
import type { Pieces } from "../wire/protobuf-writer.js";
import { encodeAnnouncedModel, encodedParameters } from "../wire/server-message.js";
import { announcedOf, stretches } from "./outgoing-chunks.js";

/** What announces a model, made once for each array. */
const known = new WeakMap<Parameters, Promise<Announced>>();

/** The models that go to one client over one connection. */
export class OutgoingModels {
  readonly #client: TakesChunks | undefined;
  readonly #lengths: Lengths;
  /** What the client held when it connected, until another model takes its place there. */
  #held: HeldModel | undefined;

  constructor(client: TakesChunks | undefined, lengths: Lengths) {
    this.#client = client;
    this.#lengths = lengths;
    this.#held = client?.held;
  }

  /**
   * The messages of an instruction that is too long for one, in order and made one at a time; nothing when it goes in
   * one. Throws `argument/invalid` for a configuration that cannot travel.
   */
  inChunks(instruction: Instruction): AsyncIterable<Pieces> | undefined {
    if (this.#client === undefined || !("parameters" in instruction)) return undefined;
    const { chunkBytes, chunkedFromBytes, maxMessageBytes } = this.#lengths;
    const { parameters } = instruction;
    const pieces = encodedParameters(parameters);
    if (lengthOfPieces(pieces) <= Math.min(chunkedFromBytes, maxMessageBytes)) return undefined;
    const announce = encodeAnnouncedModel(instruction);
    const longest = Math.min(chunkBytes, this.#client.chunkBytes);
    const held = this.#held;
    this.#held = undefined;
    return (async function* () {
      const announced = await announcedOnce(parameters, pieces);
      const begin = held?.sha256 === announced.sha256 && held.offset <= announced.byteLength ? held.offset : 0;
      yield announce(announced, begin);
      for (const { offset, bytes } of stretches(pieces, begin, longest)) yield encodeChunk(offset, bytes);
    })();
  }
}

function announcedOnce(parameters: Parameters, pieces: Pieces): Promise<Announced> {
  const before = known.get(parameters);
  if (before !== undefined) return before;
  const announced = announcedOf(pieces);
  known.set(parameters, announced);
  return announced;
}
