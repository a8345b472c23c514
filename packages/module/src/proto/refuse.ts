// Refuses models whose tensors lie in other files: a module is one file, and reading it opens no path it names.
import { FederationError } from "@perennial-fl/core";
import type { GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto } from "./messages.js";

/** Throws `model/external-data` if any tensor, in any graph, function or attribute, is stored elsewhere. */
export function refuseExternalData(model: ModelProto): void {
  if (model.graph !== undefined) inGraph(model.graph);
  for (const { initialization, algorithm } of model.trainingInfo ?? []) {
    if (initialization !== undefined) inGraph(initialization);
    if (algorithm !== undefined) inGraph(algorithm);
  }
  for (const { node } of model.functions ?? []) inNodes(node ?? []);
}

function inGraph(graph: GraphProto): void {
  for (const tensor of graph.initializer ?? []) inTensor(tensor);
  for (const tensor of graph.sparseInitializer ?? []) inSparse(tensor);
  inNodes(graph.node ?? []);
}

function inNodes(nodes: readonly NodeProto[]): void {
  for (const { attribute } of nodes) {
    for (const { t, tensors = [], sparseTensor, sparseTensors = [], g, graphs = [] } of attribute ?? []) {
      for (const tensor of [...(t === undefined ? [] : [t]), ...tensors]) inTensor(tensor);
      for (const tensor of [...(sparseTensor === undefined ? [] : [sparseTensor]), ...sparseTensors]) inSparse(tensor);
      for (const graph of [...(g === undefined ? [] : [g]), ...graphs]) inGraph(graph);
    }
  }
}

function inSparse({ values, indices }: SparseTensorProto): void {
  if (values !== undefined) inTensor(values);
  if (indices !== undefined) inTensor(indices);
}

function inTensor({ name, dataLocation, externalData }: TensorProto): void {
  if (dataLocation !== 1 && (externalData?.length ?? 0) === 0) return;
  const location = externalData?.find(({ key }) => key === "location")?.value ?? "another file";
  throw new FederationError(
    "model/external-data",
    `reading a module: its tensor "${name ?? ""}" is stored in ${location}; save the model as one file`,
  );
}
