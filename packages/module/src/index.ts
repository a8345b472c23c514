// ONNX models as data: read, write, build, differentiate.
export { graphBuilder, targetOpset } from "./builder.js";
export type { GraphBuilder, NodeOptions, Placed, RawAttributes, Value } from "./builder.js";
export { differentiate, gradientsOf } from "./differentiate.js";
export { gradientRules } from "./gradient/rules.js";
export type { Gradient, GradientRule, GradientSite } from "./gradient/site.js";
export * from "./graph.js";
export * from "./layers/dense.js";
export type { Layer, LayerSite } from "./layers/layer.js";
export * from "./layers/normalisation.js";
export type { Pair } from "./layers/pair.js";
export * from "./layers/simple.js";
export * from "./losses.js";
export * from "./module.js";
export * from "./optimizers.js";
export * from "./sequential.js";
export * from "./training.js";
