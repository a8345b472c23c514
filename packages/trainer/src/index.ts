// Training and evaluating ONNX modules with onnxruntime-node, in a worker thread.
export { openTrainer } from "./open.js";
export type { TrainerOptions } from "./open.js";
export type {
  Cursor,
  Dataset,
  Evaluated,
  EvaluateOptions,
  Progress,
  StepProgress,
  Trained,
  Trainer,
  TrainOptions,
} from "./trainer.js";
