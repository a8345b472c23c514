// The vocabulary of Perennial. This package imports nothing and touches nothing.
export * from "./deltas.js";
export * from "./errors.js";
export * from "./float16.js";
export * from "./messages.js";
export * from "./ports.js";
export * from "./random.js";
export * from "./records.js";
export * from "./results.js";
export * from "./saved.js";
export * from "./schema.js";
export * from "./tensor.js";
