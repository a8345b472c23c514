// The committed descriptor against its .proto.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

describe("The descriptor of the ONNX messages", () => {
  it("is what proto/onnx/onnx.proto says", () => {
    const root = fileURLToPath(new URL("../../../../", import.meta.url));
    const tool = fileURLToPath(new URL("../../../../tools/proto.mjs", import.meta.url));
    expect(() => execFileSync(process.execPath, [tool, "--check", "onnx"], { cwd: root })).not.to.throw();
  });
});
