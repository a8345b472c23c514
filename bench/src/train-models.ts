// The models of the training benchmark, as ordinary ONNX modules. Their like in PyTorch is in peers/torch_train.py.
import { float, float32, elementCount, random, tensor } from "@perennial-fl/core";
import {
  conv2d,
  flatten,
  graphBuilder,
  linear,
  lstm,
  maxPool2d,
  OnnxModule,
  relu,
  sequential,
} from "@perennial-fl/module";
import type { GraphBuilder, Value } from "@perennial-fl/module";

export interface TrainModel {
  readonly title: string;
  /** Of one example. */
  readonly input: readonly number[];
  readonly build: () => OnnxModule;
}

export const trainModels = {
  mlp: {
    title: "MLP 784-256-10",
    input: [784],
    build: () => sequential([linear(784, 256), relu(), linear(256, 10)], { input: [784], seed: 7 }),
  },
  lenet: { title: "LeNet", input: [1, 28, 28], build: lenet },
  transformer: { title: "transformer 2x(128, 4 heads, 512), 64 tokens", input: [64, 128], build: transformer },
  resnet18: { title: "ResNet-18 3x64x64", input: [3, 64, 64], build: resnet18 },
  lstm: {
    title: "LSTM 28x(28, 128)",
    input: [28, 28],
    build: () => sequential([lstm(28, 128, { output: "last" }), linear(128, 10)], { input: [28, 28], seed: 7 }),
  },
} as const satisfies { readonly [name: string]: TrainModel };

export type TrainModelName = keyof typeof trainModels;

function lenet(): OnnxModule {
  const layers = [
    conv2d(1, 16, 5, { padding: 2 }),
    relu(),
    maxPool2d(2),
    conv2d(16, 32, 5, { padding: 2 }),
    relu(),
    maxPool2d(2),
    flatten(),
    linear(1568, 128),
    relu(),
    linear(128, 10),
  ];
  return sequential(layers, { input: [1, 28, 28], seed: 7 });
}

/** Parameters of a model that is no row of layers. The batch is of one example, and is opened in the end. */
interface Sketch {
  readonly g: GraphBuilder;
  readonly weight: (name: string, shape: readonly number[]) => Value;
  readonly filled: (name: string, length: number, value: number) => Value;
}

function sketch(): Sketch {
  const g = graphBuilder();
  return {
    g,
    weight: (name, shape) => {
      const bound = 1 / Math.sqrt(elementCount(shape.slice(1)));
      const draw = random("bench", name);
      const data = Float32Array.from({ length: elementCount(shape) }, () => (2 * draw.float() - 1) * bound);
      return g.initializer(name, float32(shape, data));
    },
    filled: (name, length, value) => g.initializer(name, float32([length], new Float32Array(length).fill(value))),
  };
}

function finish({ g }: Sketch, name: string, logits: Value): OnnxModule {
  const graph = g.graph(name, { logits });
  const open = graph.inputs.map((info) => ({ ...info, shape: ["batch", ...(info.shape ?? []).slice(1)] }));
  const outputs = graph.outputs.map((info) => ({ ...info, shape: ["batch", 10] }));
  return OnnxModule.fromGraph({ ...graph, inputs: open, outputs });
}

function dense({ g, weight, filled }: Sketch, name: string, x: Value, inputs: number, outputs: number): Value {
  const turned = g.op("Transpose", [weight(`${name}.weight`, [outputs, inputs])], { perm: [1, 0] });
  return g.add(g.op("MatMul", [x, turned]), filled(`${name}.bias`, outputs, 0));
}

/** PyTorch's nn.TransformerEncoderLayer twice, without dropout, and a linear classifier of the mean over the tokens. */
function transformer(): OnnxModule {
  const s = sketch();
  const { g, filled } = s;
  const [tokens, width, heads, inner] = [64, 128, 4, 512];
  let x = g.input("input", "float32", [1, tokens, width]);
  const norm = (name: string, value: Value): Value =>
    g.op("LayerNormalization", [value, filled(`${name}.weight`, width, 1), filled(`${name}.bias`, width, 0)], {
      axis: -1,
      epsilon: float(1e-5),
    });
  for (const layer of ["0", "1"]) {
    const split = (name: string, perm: readonly number[]): Value => {
      const projected = dense(s, `${layer}.${name}`, x, width, width);
      const parts = g.op("Reshape", [projected, g.ints([0, tokens, heads, width / heads])]);
      return g.op("Transpose", [parts], { perm });
    };
    const [query, key, value] = [split("q", [0, 2, 1, 3]), split("k", [0, 2, 3, 1]), split("v", [0, 2, 1, 3])];
    const scores = g.mul(g.op("MatMul", [query, key]), g.scalar(1 / Math.sqrt(width / heads), query));
    const context = g.op("MatMul", [g.op("Softmax", [scores], { axis: -1 }), value]);
    const joined = g.op("Transpose", [context], { perm: [0, 2, 1, 3] });
    const rows = g.op("Reshape", [joined, g.ints([0, tokens, width])]);
    x = norm(`${layer}.norm1`, g.add(x, dense(s, `${layer}.out`, rows, width, width)));
    const hidden = g.op("Relu", [dense(s, `${layer}.linear1`, x, width, inner)]);
    x = norm(`${layer}.norm2`, g.add(x, dense(s, `${layer}.linear2`, hidden, inner, width)));
  }
  const pooled = g.op("ReduceMean", [x, g.ints([1])], { keepdims: 0 });
  return finish(s, "transformer", dense(s, "head", pooled, width, 10));
}

/** He et al. 2016, for small images: as torchvision's resnet18, with 10 classes. */
function resnet18(): OnnxModule {
  const s = sketch();
  const { g, weight, filled } = s;
  const convolved = (
    name: string,
    x: Value,
    [inputs, outputs, kernel, stride]: readonly [number, number, number, number],
  ) => {
    const pad = (kernel - 1) / 2;
    const y = g.op("Conv", [x, weight(`${name}.weight`, [outputs, inputs, kernel, kernel])], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
    const statistics = [filled(`${name}.mean`, outputs, 0), filled(`${name}.variance`, outputs, 1)];
    return g.op(
      "BatchNormalization",
      [y, filled(`${name}.scale`, outputs, 1), filled(`${name}.bias`, outputs, 0), ...statistics],
      { epsilon: float(1e-5), momentum: float(0.9) },
    );
  };
  let x = g.op("Relu", [convolved("stem", g.input("input", "float32", [1, 3, 64, 64]), [3, 64, 7, 2])]);
  x = g.op("MaxPool", [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let inputs = 64;
  for (const [stage, outputs] of [64, 128, 256, 512].entries()) {
    for (const block of [0, 1]) {
      const [name, stride] = [`${stage}.${block}`, stage > 0 && block === 0 ? 2 : 1];
      const first = g.op("Relu", [convolved(`${name}.a`, x, [inputs, outputs, 3, stride])]);
      const second = convolved(`${name}.b`, first, [outputs, outputs, 3, 1]);
      const shortcut = stride === 1 ? x : convolved(`${name}.shortcut`, x, [inputs, outputs, 1, stride]);
      x = g.op("Relu", [g.add(second, shortcut)]);
      inputs = outputs;
    }
  }
  const pooled = g.op("Reshape", [g.op("GlobalAveragePool", [x]), g.ints([0, 512])]);
  const head = [weight("head.weight", [10, 512]), filled("head.bias", 10, 0)];
  return finish(s, "resnet18", g.op("Gemm", [pooled, ...head], { transB: 1 }));
}

/** Noise with labels drawn at random: `count` examples, in memory that the worker of a trainer shares. */
export function trainingData(input: readonly number[], count: number) {
  const { float: draw, below } = random("bench", "training", count);
  const length = count * elementCount(input);
  const inputs = new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
  for (let i = 0; i < length; i++) inputs[i] = draw();
  const targets = BigInt64Array.from({ length: count }, () => BigInt(below(10)));
  return { inputs: float32([count, ...input], inputs), targets: tensor("int64", [count], targets) };
}
