// A program that uses onnxruntime-node without the trainer, and so with its telemetry.
import { InferenceSession } from "onnxruntime-node";
import { handmade } from "../handmade.js";

const session = await InferenceSession.create(handmade.evaluation(1).bytes);
await session.release();
