// There and back with a real PyTorch: export, training in Node, and equal outputs. PERENNIAL_TORCH_PYTHON names a Python with torch, onnx and onnxscript.
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeTensor } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";
import { expect } from "chai";

const python = process.env["PERENNIAL_TORCH_PYTHON"] ?? "";
if (python === "")
  console.log("skipped: the way from PyTorch and back, because PERENNIAL_TORCH_PYTHON names no Python");

const example = fileURLToPath(new URL("../../", import.meta.url));

function run(command: string, ...given: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, given, { encoding: "utf8" });
  expect(status, stderr).to.equal(0);
  return stdout;
}

async function moduleAt(path: string): Promise<OnnxModule> {
  return OnnxModule.fromBytes(await readFile(path));
}

(python === "" ? describe.skip : describe)("With PyTorch,", function () {
  this.timeout(300_000);
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "perennial-test-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("export.py writes the modules that are committed", async () => {
    console.log(run(python, join(example, "export.py"), join(folder, "models")));
    for (const name of ["resnet.onnx", "transformer.onnx"]) {
      const [made, committed] = [
        await moduleAt(join(folder, "models", name)),
        await moduleAt(join(example, "models", name)),
      ];
      expect(made.parameterNames).to.deep.equal(committed.parameterNames);
      expect(made.parameters.map(describeTensor)).to.deep.equal(committed.parameters.map(describeTensor));
    }
  });

  it("check.py finds the outputs of what Node trained equal to PyTorch's", () => {
    console.log(run(process.execPath, join(example, "dist/src/main.js"), join(folder, "trained")));
    console.log(run(python, join(example, "check.py"), join(folder, "trained")));
  });
});
