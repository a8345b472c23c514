"""Writes models/resnet.onnx and models/transformer.onnx: the networks of models.py before any training.

    python3 export.py [FOLDER]        (needs torch, onnx, onnxscript; FOLDER is models/ if it is not given)
"""

import pathlib
import sys
import warnings

import onnx
import torch

from models import models

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "models"


def export(model, batch, path):
    # train() keeps BatchNorm and Dropout in the graph; optimize=False keeps the names of the state_dict.
    torch.onnx.export(
        model.train(),
        (batch,),
        str(path),
        dynamo=True,
        optimize=False,
        opset_version=18,
        external_data=False,
        dynamic_shapes=({0: torch.export.Dim("batch", min=2)},),
        input_names=["input"],
        output_names=["scores"],
        verbose=False,
    )
    forget_origin(path)


def forget_origin(path):
    """Takes out on which line of whose disk each node arose: it doubles the file, and it is nobody's business."""
    proto = onnx.load(path)
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer]:
        del value.metadata_props[:]
    onnx.save(proto, path)


folder.mkdir(exist_ok=True)
for name, (model, batch) in models().items():
    path = folder / f"{name}.onnx"
    export(model, batch, path)
    print(f"{path}: {path.stat().st_size} bytes, {sum(p.numel() for p in model.parameters())} parameters")
