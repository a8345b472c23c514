// An ONNX model as an immutable value: its graph, its parameters under their names, its metadata and its bytes.
import { FederationError, describeTensor, sameHeader } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import type { Graph } from "./graph.js";
import { parameterNamesOf } from "./parameters.js";
import { decode, encode } from "./proto/codec.js";
import { exportSignsOf } from "./proto/export-signs.js";
import type { ExportSigns } from "./proto/export-signs.js";
import { graphOf, modelProto } from "./proto/graphs.js";
import type { ModelProto } from "./proto/messages.js";
import { refuseExternalData } from "./proto/refuse.js";
import { tensorProto } from "./proto/tensors.js";

/** A protobuf message cannot be longer. */
const maxBytes = 0x7fffffff;

/**
 * What is exchanged in training is what a module calls its parameters: the float32 and float64 initializers, but for scalars
 * that are constants; see {@link scalarsKey}.
 */
export class OnnxModule {
  readonly graph: Graph;
  /** In the order of the file. */
  readonly parameters: Parameters;
  /** Their names, in the order of {@link parameters}. */
  readonly parameterNames: readonly string[];
  /** ONNX's metadata_props. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How it was exported, as far as the file shows it. */
  readonly exportSigns: ExportSigns;
  readonly #model: ModelProto;

  private constructor(model: ModelProto, graph: Graph) {
    this.graph = graph;
    this.parameterNames = parameterNamesOf(model, graph.initializers);
    this.parameters = this.parameterNames.map((name) => graph.initializers.get(name) as Tensor);
    this.metadata = Object.fromEntries((model.metadataProps ?? []).map(({ key = "", value = "" }) => [key, value]));
    this.exportSigns = exportSignsOf(model);
    this.#model = model;
  }

  /**
   * Reads an ONNX file; the parameters are views of `bytes` where alignment allows, so these must not change afterwards.
   * Throws `model/corrupt`, `model/external-data`, and `model/unsupported` for quantised and half-precision weights.
   */
  static fromBytes(bytes: Uint8Array): OnnxModule {
    checkLength(bytes.byteLength, "reading");
    const model = decode("ModelProto", bytes);
    refuseExternalData(model);
    return new OnnxModule(model, graphOf(model));
  }

  /** A new module of the given graph. */
  static fromGraph(graph: Graph): OnnxModule {
    return new OnnxModule(modelProto(graph), graph);
  }

  /** The same module with other parameters. Throws `model/mismatch`, naming the first tensor that does not fit. */
  withParameters(parameters: Parameters): OnnxModule {
    if (parameters.length !== this.parameters.length) {
      throw new FederationError(
        "model/mismatch",
        `replacing the parameters of a module: it has ${this.parameters.length} tensors, and ${parameters.length} were given`,
      );
    }
    const initializers = new Map(this.graph.initializers);
    this.parameterNames.forEach((name, i) => {
      const [own, given] = [this.parameters[i] as Tensor, parameters[i] as Tensor];
      if (!sameHeader(own, given)) {
        throw new FederationError(
          "model/mismatch",
          `replacing the parameters of a module: "${name}" is ${describeTensor(own)}, and a ${describeTensor(given)} was given`,
        );
      }
      initializers.set(name, given);
    });
    const initializer = (this.#model.graph?.initializer ?? []).map((proto) => {
      const given = initializers.get(proto.name ?? "") as Tensor;
      if (given === this.graph.initializers.get(proto.name ?? "")) return proto;
      // The lists of elements go, everything else that the file says about the tensor stays.
      const kept = Object.entries(proto).filter(([key]) => key !== "floatData" && key !== "doubleData");
      return { ...Object.fromEntries(kept), ...tensorProto(proto.name ?? "", given) };
    });
    return new OnnxModule(
      { ...this.#model, graph: { ...this.#model.graph, initializer } },
      { ...this.graph, initializers },
    );
  }

  /** The same module with these entries added to its metadata, or replaced there. */
  withMetadata(metadata: Readonly<Record<string, string>>): OnnxModule {
    const kept = (this.#model.metadataProps ?? []).map((entry) =>
      Object.hasOwn(metadata, entry.key ?? "") ? { ...entry, value: metadata[entry.key ?? ""] as string } : entry,
    );
    const added = Object.entries(metadata).filter(([key]) => !Object.hasOwn(this.metadata, key));
    const metadataProps = [...kept, ...added.map(([key, value]) => ({ key, value }))];
    return new OnnxModule({ ...this.#model, metadataProps }, this.graph);
  }

  /** The ONNX file; the same module gives the same bytes. Everything that a read file held is in it. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const size = [...this.graph.initializers.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    checkLength(size, "writing");
    return encode("ModelProto", this.#model);
  }
}

function checkLength(bytes: number, doing: string): void {
  if (bytes > maxBytes) {
    throw new FederationError(
      "model/unsupported",
      `${doing} a module of ${bytes} bytes: an ONNX file holds at most ${maxBytes}`,
    );
  }
}
