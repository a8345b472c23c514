// What a file betrays of how it was exported: evaluation mode folds normalisations away and drops dropout.
import type { ModelProto, NodeProto } from "./messages.js";

export interface ExportSigns {
  /** Layers that took a BatchNormalization in. */
  readonly foldedNormalisations: number;
  /** BatchNormalization nodes that are certain to have been exported to use their running statistics. */
  readonly evaluatingNormalisations: number;
  readonly dropouts: number;
}

/** PyTorch's newer exporter names under these keys the rule that made a node, and the call that it was before. */
const [ruleKey, callKey] = ["pkg.onnxscript.rewriter.rule_name", "pkg.torch.onnx.fx_node"];

export function exportSignsOf({ graph, opsetImport = [] }: ModelProto): ExportSigns {
  const nodes = (graph?.node ?? []).filter(({ domain = "" }) => domain === "" || domain === "ai.onnx");
  const opset = opsetImport.find(({ domain = "" }) => domain === "" || domain === "ai.onnx")?.version ?? 1n;
  const count = (holds: (node: NodeProto) => boolean): number => nodes.filter(holds).length;
  return {
    foldedNormalisations: count((node) => noted(node, ruleKey, "FuseBatchNorm") || hasChangedWeights(node)),
    evaluatingNormalisations: count((node) => node.opType === "BatchNormalization" && isEvaluating(node, opset)),
    dropouts: count(({ opType }) => opType === "Dropout"),
  };
}

/** The older exporter gives a convolution's weights a name of its own only where it changed them. */
function hasChangedWeights({ opType = "", input = [] }: NodeProto): boolean {
  return /^Conv(Transpose)?$/.test(opType) && /^onnx::Conv(Transpose)?_\d+$/.test(input[1] ?? "");
}

/** Before opset 14 the number of outputs said it, then an attribute; the newer exporter leaves that out and notes the call. */
function isEvaluating(node: NodeProto, opset: bigint): boolean {
  if (opset < 14n) return (node.output?.length ?? 0) === 1;
  const mode = node.attribute?.find(({ name }) => name === "training_mode");
  return (mode !== undefined && (mode.i ?? 0n) === 0n) || noted(node, callKey, "batch_norm_legit_no_training");
}

function noted({ metadataProps = [] }: NodeProto, wanted: string, part: string): boolean {
  return metadataProps.some(({ key, value = "" }) => key === wanted && value.includes(part));
}
