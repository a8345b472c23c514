"""Puts what the federation trained back into PyTorch: names must match, and outputs must be equal.

    python3 check.py FOLDER        (needs torch, onnx; FOLDER is what the Node program wrote)
"""

import json
import pathlib
import sys

import onnx
import torch

from models import models

bound = 1e-5
folder = pathlib.Path(sys.argv[1])


def parameters_of(path):
    """The float tensors of a module by name, as a state_dict."""
    held = onnx.load(path).graph.initializer
    return {
        tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        for tensor in held
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    }


def load(model, trained):
    # A count of batches is the one thing that PyTorch keeps and no ONNX file holds; in eval() nothing reads it.
    missing, unexpected = model.load_state_dict(trained, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    assert not missing and not unexpected, f"not in the module: {missing}; not in PyTorch: {unexpected}"


def tensor_of(listed, dtype):
    return torch.tensor(listed["data"], dtype=dtype).reshape(listed["shape"])


for name, (model, batch) in models().items():
    start = {key: value.clone() for key, value in model.state_dict().items()}
    trained = parameters_of(folder / f"{name}.onnx")
    load(model, trained)
    still = [key for key, value in trained.items() if torch.equal(value, start[key])]
    assert not still, f"never moved: {still}"
    answers = json.loads((folder / f"{name}-answers.json").read_text())
    with torch.no_grad():
        scores = model.eval()(tensor_of(answers["inputs"], batch.dtype))
    difference = (scores - tensor_of(answers["scores"], torch.float32)).abs().max().item()
    print(f"{name}: {len(trained)} tensors by name, {len(scores)} examples, largest difference {difference:.1e}")
    assert difference <= bound, f"{name}: {difference} is above {bound}"
