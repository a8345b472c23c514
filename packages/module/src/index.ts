// ONNX models as data: read, write, build, differentiate.
export * from "./graph.js";
export * from "./module.js";
