// Lowered train steps against the plain ones they stand for, run by onnxruntime.
import { float32, tensor, zeros } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import type { Layer } from "../src/index.js";
import {
  adam,
  arranged,
  avgPool2d,
  conv2d,
  crossEntropy,
  flatten,
  graphBuilder,
  linear,
  lower,
  maxPool2d,
  OnnxModule,
  relu,
  restored,
  sequential,
  sgd,
  tanh,
  trainingGraph,
} from "../src/index.js";
import type { Layout, Lowered, Optimizer, TrainingGraph } from "../src/index.js";
import { labels, normals, numbers, open, run } from "./train.js";

// Updates in place are in updates.test.ts.
const lowerings = ["blocked-convolutions"] as const;
const momentum = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, nesterov: true });

interface Subject {
  readonly what: string;
  readonly input: readonly [number, number, number];
  readonly layers: readonly Layer[];
  readonly batch: number;
  readonly optimizer: Optimizer;
  readonly blocked: number;
}

/** Whole models of a few layers, for blocks of `b` channels: what they are there for, and how many weights lie in blocks. */
const subjectsOf = (b: number): readonly Subject[] => [
  {
    what: "LeNet's shape: one channel, pooling, activation, batch in blocks",
    input: [1, 8, 8],
    layers: [
      conv2d(1, b, 5, { padding: 2 }),
      relu(),
      maxPool2d(2),
      conv2d(b, 2 * b, 3),
      relu(),
      flatten(),
      linear(8 * b, 4),
    ],
    batch: 2 * b,
    optimizer: sgd({ learningRate: 0.1 }),
    blocked: 2,
  },
  {
    what: "a batch smaller than a block, three channels and a stride that does not divide evenly",
    input: [3, 8, 8],
    layers: [
      conv2d(3, b, 3, { stride: 2 }),
      tanh(),
      conv2d(b, b, [1, 3], { padding: [0, 1] }),
      flatten(),
      linear(9 * b, 4),
    ],
    batch: 5,
    optimizer: momentum,
    blocked: 2,
  },
  {
    what: "dilation, uneven padding, no bias, and an optimizer with two memories",
    input: [b, 7, 6],
    layers: [
      conv2d(b, 2 * b, 3, { dilation: 2, padding: [2, 1], bias: false }),
      relu(),
      conv2d(2 * b, b, 1),
      flatten(),
      linear(28 * b, 4),
    ],
    batch: b,
    optimizer: adam({ learningRate: 0.01 }),
    blocked: 2,
  },
  {
    what: "pooling in windows of 3 x 2 behind an average over overlapping ones",
    input: [b, 7, 8],
    layers: [
      conv2d(b, b, 1),
      avgPool2d(2, { stride: 1 }),
      conv2d(b, b, 1),
      maxPool2d([3, 2], { stride: [3, 2] }),
      flatten(),
      linear(6 * b, 4),
    ],
    batch: b,
    optimizer: momentum,
    blocked: 2,
  },
  {
    what: "strides of 2 and 3 with kernels of 3, 1 and 4 x 5 behind another convolution",
    input: [b, 12, 12],
    layers: [
      conv2d(b, b, 3, { stride: 2, padding: 1 }),
      conv2d(b, 2 * b, 1, { stride: 2 }),
      relu(),
      conv2d(2 * b, b, [4, 5], { stride: [1, 3], padding: [2, 1] }),
      flatten(),
      linear(4 * b, 4),
    ],
    batch: b / 2,
    optimizer: momentum,
    blocked: 3,
  },
  {
    what: "groups, which stay plain",
    input: [2 * b, 4, 4],
    layers: [
      conv2d(2 * b, 2 * b, 3, { groups: 2, padding: 1 }),
      relu(),
      conv2d(2 * b, b, 3),
      flatten(),
      linear(4 * b, 4),
    ],
    batch: b,
    optimizer: momentum,
    blocked: 1,
  },
  {
    what: "a batch that no number of blocks holds, which stays plain",
    input: [b, 4, 4],
    layers: [conv2d(b, b, 3), flatten(), linear(4 * b, 4)],
    batch: b + b / 4,
    optimizer: momentum,
    blocked: 0,
  },
];

/** onnxruntime's block on this processor; undefined where it has none. */
async function blockSize(): Promise<number | undefined> {
  const node = { name: "", domain: "com.microsoft.nchwc", opType: "ReorderInput", inputs: ["x"], outputs: ["y"] };
  const probe = OnnxModule.fromGraph({
    name: "probe",
    opset: 18,
    domains: { "com.microsoft.nchwc": 1 },
    nodes: [{ ...node, attributes: {} }],
    inputs: [{ name: "x", dtype: "float32", shape: [1, 4, 1, 1] }],
    outputs: [{ name: "y", dtype: "float32", shape: [1, null, 1, 1] }],
    initializers: new Map(),
    valueInfos: [],
  });
  const { y } = await run(probe.toBytes(), { x: zeros("float32", [1, 4, 1, 1]) }).catch(() => ({ y: undefined }));
  return y?.shape[1];
}

// 16 channels where the processor has AVX-512; elsewhere other numbers, or none.
const found = await blockSize();
const block = found ?? 16;
if (found === undefined) {
  console.log("skipped: the numbers of blocked convolutions, for which onnxruntime has no kernels here");
}

/** Some steps of both forms on the same data; each gets what it gave, in the order in which it lies. */
async function bothForms(module: OnnxModule, made: TrainingGraph, lowered: Lowered, features: Tensor, targets: Tensor) {
  const steps = async (model: Uint8Array, layouts: ReadonlyMap<string, Layout>): Promise<Map<string, Tensor>> => {
    const session = await open(model);
    const first = [
      ...made.parameters.map(({ name }, i) => [name, module.parameters[i] as Tensor] as const),
      ...made.optimizerState.map(({ name, initial }) => [name, initial] as const),
    ];
    const layoutOf = (name: string) => layouts.get(name);
    let carried = new Map(first.map(([name, value]) => [name, moved(value, layoutOf(name), arranged)]));
    for (let step = 0; step < 3; step++) {
      const outputs = await session.run({
        ...Object.fromEntries(carried),
        [made.inputs.features.name]: features,
        [made.inputs.targets.name]: targets,
        [made.inputs.learningRate.name]: float32([], [0.1]),
      });
      carried = new Map([...carried.keys()].map((name) => [name, outputs[`new.${name}`] as Tensor]));
    }
    await session.release();
    return new Map(Array.from(carried, ([name, value]) => [name, moved(value, layoutOf(name), restored)]));
  };
  return {
    plain: await steps(made.model, new Map()),
    lowered: await steps(OnnxModule.fromGraph(lowered.graph).toBytes(), lowered.layouts),
  };
}

function moved(value: Tensor, layout: Layout | undefined, move: typeof arranged): Tensor {
  return layout === undefined ? value : move(value, layout);
}

/** ||a - b|| / ||b||, and 0 where both are 0. */
function distance(a: Tensor, b: Tensor): number {
  const [left, right] = [numbers(a), numbers(b)];
  const norm = (values: readonly number[]): number => Math.hypot(...values);
  return norm(left.map((x, i) => x - (right[i] as number))) / Math.max(norm(right), 1e-30);
}

/** How many of a subject's weights lie in blocks of so many channels. */
function blockedOf({ layers, input, optimizer, batch }: Subject, blockSize: number): number {
  const made = trainingGraph(sequential(layers, { input, seed: 3 }), {
    loss: crossEntropy(),
    optimizer,
    batchSize: batch,
  });
  const { layouts } = lower(OnnxModule.fromBytes(made.model).graph, { lowerings, blockSize });
  return made.parameters.filter(({ name }) => layouts.has(name)).length;
}

describe("A train step is lowered to blocks", () => {
  for (const size of [8, 16]) {
    it(`of ${size} channels where they fit`, () => {
      const subjects = subjectsOf(size);
      expect(subjects.map((subject) => blockedOf(subject, size))).to.deep.equal(subjects.map(({ blocked }) => blocked));
    });
  }
});

(found === undefined ? describe.skip : describe)(`A train step lowered to blocks of ${block}`, () => {
  for (const { what, input, layers, batch, optimizer, blocked } of subjectsOf(block)) {
    it(`gives what the plain one gives: ${what}`, async () => {
      const module = sequential(layers, { input, seed: 3 });
      const made = trainingGraph(module, { loss: crossEntropy(), optimizer, batchSize: batch });
      const lowered = lower(OnnxModule.fromBytes(made.model).graph, { lowerings, blockSize: block });
      const weights = made.parameters.filter(({ name }) => lowered.layouts.has(name));
      expect(weights.length).to.equal(blocked);
      const data = [normals("features", [batch, ...input]), labels("targets", batch, 4)] as const;
      const forms = await bothForms(module, made, lowered, ...data);
      for (const [name, value] of forms.plain) {
        expect(distance(forms.lowered.get(name) as Tensor, value), name).to.be.below(2e-5);
      }
    });
  }

  it("gives a gradient to the first of equal elements of a pooling window, and only to it", async () => {
    const layers = [conv2d(1, block, 1), relu(), maxPool2d(2), flatten(), linear(4 * block, 4)];
    const module = sequential(layers, { input: [1, 4, 4], seed: 3 });
    const biased = module.parameters.map((held, i) =>
      i === 1 ? float32([block], new Float32Array(block).fill(1)) : held,
    );
    const tied = module.withParameters(biased);
    const made = trainingGraph(tied, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), batchSize: block });
    const lowered = lower(OnnxModule.fromBytes(made.model).graph, { lowerings, blockSize: block });
    const data = [zeros("float32", [block, 1, 4, 4]), labels("targets", block, 4)] as const;
    const forms = await bothForms(tied, made, lowered, ...data);
    const bias = forms.plain.get("0.bias") as Tensor;
    expect(distance(forms.lowered.get("0.bias") as Tensor, bias)).to.be.below(1e-6);
    expect(distance(bias, tied.parameters[1] as Tensor)).to.be.above(1e-6);
  });

  it("leaves weights alone that something reads beside convolutions", () => {
    const g = graphBuilder();
    const weight = g.initializer("weight", zeros("float32", [block, block, 3, 3]));
    const x = g.input("x", "float32", [block, block, 4, 4]);
    const y = g.op("Conv", [x, weight], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    const rows = g.op("ReduceSum", [weight, g.ints([1, 2, 3])], { keepdims: 0 });
    const logits = g.mul(g.op("ReduceSum", [y, g.ints([2, 3])], { keepdims: 0 }), rows);
    const module = OnnxModule.fromGraph(g.graph("both", { logits }));
    const made = trainingGraph(module, { loss: crossEntropy(), optimizer: momentum, batchSize: block });
    const { layouts } = lower(OnnxModule.fromBytes(made.model).graph, { lowerings, blockSize: block });
    expect(layouts.size).to.equal(0);
  });
});

describe("A train step with gathered convolutions", () => {
  const gathered: readonly {
    readonly what: string;
    readonly input: readonly [number, number, number];
    readonly layers: readonly Layer[];
    readonly optimizer: Optimizer;
    readonly relaid: number;
  }[] = [
    {
      what: "padding, and a stride that does not divide evenly",
      input: [3, 6, 5],
      layers: [conv2d(3, 40, 3, { stride: 2, padding: 1 }), relu(), conv2d(40, 24, 2), flatten(), linear(96, 4)],
      optimizer: momentum,
      relaid: 2,
    },
    {
      what: "single taps, with and without a stride, and no bias",
      input: [5, 5, 4],
      layers: [conv2d(5, 64, 1, { bias: false }), tanh(), conv2d(64, 20, 1, { stride: 2 }), flatten(), linear(120, 4)],
      optimizer: adam({ learningRate: 0.01 }),
      relaid: 2,
    },
    {
      what: "dilation, uneven kernels and padding",
      input: [4, 6, 6],
      layers: [conv2d(4, 48, [3, 2], { dilation: [1, 2], padding: [0, 1] }), flatten(), linear(1152, 4)],
      optimizer: momentum,
      relaid: 0,
    },
    {
      what: "the same with more filters than positions",
      input: [4, 6, 6],
      layers: [conv2d(4, 80, [3, 2], { dilation: [1, 2], padding: [0, 1] }), flatten(), linear(1920, 4)],
      optimizer: momentum,
      relaid: 1,
    },
  ];
  for (const { what, input, layers, optimizer, relaid } of gathered) {
    it(`gives what the plain one gives: ${what}`, async () => {
      const module = sequential(layers, { input, seed: 3 });
      const made = trainingGraph(module, { loss: crossEntropy(), optimizer, batchSize: 3 });
      const lowered = lower(OnnxModule.fromBytes(made.model).graph, { lowerings: ["gathered-convolutions"] });
      expect(made.parameters.filter(({ name }) => lowered.layouts.has(name)).length).to.equal(relaid);
      const forms = await bothForms(module, made, lowered, normals("x", [3, ...input]), labels("targets", 3, 4));
      for (const [name, value] of forms.plain) {
        expect(distance(forms.lowered.get(name) as Tensor, value), name).to.be.below(2e-5);
      }
    });
  }
});

describe("Lowering", () => {
  const module = sequential([conv2d(16, 16, 3), flatten(), linear(64, 4)], { input: [16, 4, 4], seed: 3 });
  const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), batchSize: 16 };
  const { graph } = OnnxModule.fromBytes(trainingGraph(module, options).model);

  it("leaves the graph as it is when it is switched off, or the runtime has no blocks", () => {
    expect(lower(graph, { lowerings: [], blockSize: 16 }).graph).to.equal(graph);
    expect(lower(graph, { lowerings }).graph).to.equal(graph);
  });

  it("makes the same graph of the same graph", () => {
    const bytes = () => OnnxModule.fromGraph(lower(graph, { lowerings, blockSize: 16 }).graph).toBytes();
    expect(bytes()).to.deep.equal(bytes());
  });
});

describe("A layout", () => {
  it("is undone exactly, and keeps every element", () => {
    const held = tensor(
      "float32",
      [4, 6, 2],
      Float32Array.from({ length: 48 }, (_, i) => i),
    );
    const layout = { split: [2, 2, 3, 2, 2], order: [0, 2, 4, 3, 1] };
    const there = arranged(held, layout);
    expect(numbers(there)).to.not.deep.equal(numbers(held));
    expect(numbers(there).toSorted((a, b) => a - b)).to.deep.equal(numbers(held));
    expect(restored(there, layout)).to.deep.equal(held);
  });

  it("stores elements in the order of its axes", () => {
    const held = tensor("float32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(numbers(arranged(held, { split: [2, 3], order: [1, 0] }))).to.deep.equal([1, 4, 2, 5, 3, 6]);
  });
});
