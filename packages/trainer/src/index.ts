// Training and evaluating ONNX modules with onnxruntime-node, in a worker thread.
export { openTrainer } from "./open.js";
export type { TrainerOptions } from "./open.js";
export type { Dataset, Evaluated, EvaluateOptions, Progress, Trained, Trainer, TrainOptions } from "./trainer.js";
