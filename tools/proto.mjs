// Turns our .proto files into descriptors that are read as data, so that nobody parses or generates at run time.
//   node tools/proto.mjs            writes every descriptor below
//   node tools/proto.mjs --check    fails if a committed descriptor is not what its .proto says
// A word after that limits it to the .proto files whose path has it: node tools/proto.mjs --check onnx
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import prettier from "prettier";
import protobuf from "protobufjs";
import "protobufjs/ext/descriptor/index.js";

const targets = [
  ["proto/onnx/onnx.proto", "packages/module/src/generated/onnx-descriptor.ts", forTypeScript],
  ["proto/flwr/transport.proto", "packages/transport/src/generated/transport-descriptor.ts", forTypeScript],
  ["proto/flwr/transport.proto", "test/interop/peers/transport-descriptor.json", forPython],
];

/** protobufjs' own description, as a module. */
function forTypeScript(source) {
  const { root } = protobuf.parse(readFileSync(source, "utf8"), new protobuf.Root(), { keepCase: false });
  return (
    `// Generated from ${source} by tools/proto.mjs: the messages as protobufjs describes them in JSON.\n` +
    `export default ${JSON.stringify(root.resolveAll().toJSON())} as const;\n`
  );
}

/** A google.protobuf.FileDescriptorSet as JSON. */
function forPython(source) {
  const { root } = protobuf.parse(readFileSync(source, "utf8"), new protobuf.Root(), { keepCase: true });
  return JSON.stringify(root.resolveAll().toDescriptor("proto3"));
}

const words = process.argv.slice(2).filter((word) => word !== "--check");
const check = process.argv.includes("--check");
let stale = 0;
for (const [source, target, describe] of targets.filter(
  ([path]) => existsSync(path) && words.every((word) => path.includes(word)),
)) {
  const text = await prettier.format(describe(source), {
    ...(await prettier.resolveConfig(target)),
    filepath: target,
  });
  if (existsSync(target) && readFileSync(target, "utf8") === text) continue;
  if (check) {
    console.error(`${target} is not what ${source} says: run \`node tools/proto.mjs\``);
    stale++;
  } else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.log(`wrote ${target}`);
  }
}
process.exitCode = stale > 0 ? 1 : 0;
