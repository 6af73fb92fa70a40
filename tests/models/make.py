"""Writes small real model files, one of each kind that the tests need: make.py FOLDER, or make.py --seeds FOLDER for the fuzzer.

ONNX with its own library, which checks it, too; TensorFlow Lite with the code that was generated from its schema; ONNX Runtime's format
with the FlatBuffers builder, by its public schema; PyTorch as torch.jit.save and torch.save lay a zip out, without PyTorch.
"""

import pathlib
import pickle
import struct
import sys
import zipfile

import flatbuffers
import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

EXTENSIONS = ["tflite", "ort", "onnx", "pt"]


def onnx_model(batch=1, old=False, external=False, sequence=False):
    """x [batch, 128, 6] through a layer to `größe 東京` [batch, 4]."""
    weights = numpy_helper.from_array(np.ones((768, 4), np.float32), "weights")
    if external:
        weights.data_location = TensorProto.EXTERNAL
        weights.ClearField("raw_data")
        weights.external_data.add(key="location", value="weights.bin")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 128, 6])]
    if old:
        inputs.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, [768, 4]))
    outputs = [helper.make_tensor_value_info("größe 東京", TensorProto.FLOAT, [batch, 4])]
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "weights"], ["größe 東京"])]
    if sequence:
        nodes.append(helper.make_node("SequenceConstruct", ["flat"], ["all"]))
        outputs.append(helper.make_tensor_sequence_value_info("all", TensorProto.FLOAT, None))
    graph = helper.make_graph(nodes, "hands", inputs, outputs, [weights])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="a hand", producer_version="1.2", ir_version=8)
    if not external:
        onnx.checker.check_model(model)
    return model.SerializeToString()


def offsets(b, items):
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return b.EndVector()


def tensor(b, name, shape, kind, buffer, signature=None):
    name, shape = b.CreateString(name), b.CreateNumpyVector(np.array(shape, np.int32))
    signature = signature and b.CreateNumpyVector(np.array(signature, np.int32))
    scale, zero = b.CreateNumpyVector(np.array([0.5], np.float32)), b.CreateNumpyVector(np.array([3], np.int64))
    tflite.QuantizationParametersStart(b)
    tflite.QuantizationParametersAddScale(b, scale)
    tflite.QuantizationParametersAddZeroPoint(b, zero)
    quantization = tflite.QuantizationParametersEnd(b)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, kind)
    tflite.TensorAddBuffer(b, buffer)
    tflite.TensorAddName(b, name)
    tflite.TensorAddQuantization(b, quantization)
    if signature:
        tflite.TensorAddShapeSignature(b, signature)
    return tflite.TensorEnd(b)


def buffer(b, data):
    data = data and b.CreateByteVector(data)
    tflite.BufferStart(b)
    if data:
        tflite.BufferAddData(b, data)
    return tflite.BufferEnd(b)


def operator(b):
    inputs, outputs = (b.CreateNumpyVector(np.array(which, np.int32)) for which in ([0, 2, -1], [1]))
    tflite.FullyConnectedOptionsStart(b)
    options = tflite.FullyConnectedOptionsEnd(b)
    tflite.OperatorStart(b)
    tflite.OperatorAddInputs(b, inputs)
    tflite.OperatorAddOutputs(b, outputs)
    tflite.OperatorAddBuiltinOptionsType(b, tflite.BuiltinOptions.FullyConnectedOptions)
    tflite.OperatorAddBuiltinOptions(b, options)
    return tflite.OperatorEnd(b)


def operator_code(b):
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, tflite.BuiltinOperator.FULLY_CONNECTED)
    tflite.OperatorCodeAddVersion(b, 1)
    tflite.OperatorCodeAddBuiltinCode(b, tflite.BuiltinOperator.FULLY_CONNECTED)
    return tflite.OperatorCodeEnd(b)


def subgraph(b):
    kinds = tflite.TensorType
    tensors = [
        tensor(b, "serving_default_x:0", [1, 128, 6], kinds.FLOAT32, 0, [-1, 128, 6]),
        tensor(b, "größe 東京", [1, 4], kinds.INT8, 0),
        tensor(b, "weights", [768, 4], kinds.INT8, 1),
    ]
    tensors, operators = offsets(b, tensors), offsets(b, [operator(b)])
    inputs, outputs = (b.CreateNumpyVector(np.array(which, np.int32)) for which in ([0], [1]))
    name = b.CreateString("main")
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors)
    tflite.SubGraphAddInputs(b, inputs)
    tflite.SubGraphAddOutputs(b, outputs)
    tflite.SubGraphAddOperators(b, operators)
    tflite.SubGraphAddName(b, name)
    return tflite.SubGraphEnd(b)


def metadata(b):
    name = b.CreateString("min_runtime_version")
    tflite.MetadataStart(b)
    tflite.MetadataAddName(b, name)
    tflite.MetadataAddBuffer(b, 2)
    return tflite.MetadataEnd(b)


def tflite_model(version=3):
    b = flatbuffers.Builder(0)
    buffers = offsets(b, [buffer(b, None), buffer(b, b"\x01" * 3072), buffer(b, b"2.5.0\0\0\0")])
    subgraphs, codes, notes = offsets(b, [subgraph(b)]), offsets(b, [operator_code(b)]), offsets(b, [metadata(b)])
    description = b.CreateString("MLIR Converted.")
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, version)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, subgraphs)
    tflite.ModelAddDescription(b, description)
    tflite.ModelAddBuffers(b, buffers)
    tflite.ModelAddMetadata(b, notes)
    b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
    model = bytes(b.Output())
    assert tflite.Model.GetRootAs(model).Subgraphs(0).Tensors(0).ShapeAsNumpy().tolist() == [1, 128, 6]
    return model


def table(b, fields):
    """A table of fields by their numbers: texts, numbers as (kind, value), and the offsets of what was written before."""
    written = {number: b.CreateString(value) if isinstance(value, str) else value for number, value in fields.items()}
    b.StartObject(max(written, default=-1) + 1)
    for number, value in written.items():
        if isinstance(value, tuple):
            getattr(b, f"Prepend{value[0]}Slot")(number, value[1], None)
        else:
            b.PrependUOffsetTRelativeSlot(number, value, 0)
    return b.EndObject()


def strings(b, texts):
    return offsets(b, [b.CreateString(text) for text in texts])


def value_info(b, name, element, dimensions):
    def dimension(size):
        value = {0: ("Int8", 2), 2: size} if isinstance(size, str) else {0: ("Int8", 1), 1: ("Int64", size)}
        return table(b, {0: table(b, value)})

    shape = table(b, {0: offsets(b, [dimension(size) for size in dimensions])})
    kind = table(b, {1: ("Uint8", 1), 2: table(b, {0: ("Int32", element), 1: shape})})
    return table(b, {0: name, 2: kind})


def ort_model():
    b = flatbuffers.Builder(0)
    dims, raw = b.CreateNumpyVector(np.array([768, 4], np.int64)), b.CreateByteVector(b"\x01" * 3072)
    weights = table(b, {0: "weights", 2: dims, 3: ("Int32", 3), 4: raw})
    arguments = [
        value_info(b, "x", 1, ["batch", 128, 6]),
        value_info(b, "größe 東京", 1, ["batch", 4]),
        value_info(b, "weights", 3, [768, 4]),
    ]
    attribute = table(b, {0: "axis", 2: ("Int32", 2), 4: ("Int64", 1)})
    node = {
        0: "layer",
        2: "",
        3: ("Int32", 13),
        5: "MatMul",
        8: strings(b, ["x", "weights"]),
        9: strings(b, ["größe 東京"]),
        10: offsets(b, [attribute]),
        11: b.CreateNumpyVector(np.array([1, 1], np.int32)),
    }
    graph = {
        0: offsets(b, [weights]),
        1: offsets(b, arguments),
        2: offsets(b, [table(b, node)]),
        5: strings(b, ["x", "weights"]),
        6: strings(b, ["größe 東京"]),
    }
    opset = table(b, {0: "", 1: ("Int64", 17)})
    model = {0: ("Int64", 8), 1: offsets(b, [opset]), 2: "a hand", 3: "1.2", 7: table(b, graph)}
    b.Finish(table(b, {0: "6", 1: table(b, model)}), file_identifier=b"ORTM")
    return bytes(b.Output())


def pytorch_model(path, script=True, deflated=False):
    """The layout: one folder, weights stored as they are, code and constants beside them in what torch.jit.save writes."""
    how = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr("hands/data.pkl", pickle.dumps(["weights", [768, 4]], protocol=2))
        if script:
            archive.writestr("hands/code/__torch__.py", "class Hands(Module):\n  pass\n")
            archive.writestr("hands/constants.pkl", pickle.dumps((), protocol=2))
        with archive.open("hands/data/0", "w", force_zip64=True) as weights:
            weights.write(struct.pack("<768f", *range(768)))
        archive.writestr("hands/version", "3\n")


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "plain.onnx": onnx_model(),
        "batch.onnx": onnx_model("batch"),
        "old.onnx": onnx_model(old=True),
        "outside.onnx": onnx_model(external=True),
        "sequence.onnx": onnx_model(sequence=True),
        "plain.tflite": tflite_model(),
        "future.tflite": tflite_model(version=4),
        "plain.ort": ort_model(),
        "bare.pt": pickle.dumps(["weights", [768, 4]], protocol=2),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    pytorch_model(folder / "plain.pt")
    pytorch_model(folder / "saved.pt", script=False)
    pytorch_model(folder / "deflated.pt", deflated=True)
    with zipfile.ZipFile(folder / "other.pt", "w") as archive:
        archive.writestr("hands/readme.txt", "no model")


if sys.argv[1] == "--seeds":
    folder = pathlib.Path(sys.argv[2])
    write(folder)
    for path in [path for path in folder.iterdir() if path.suffix[1:] in EXTENSIONS]:
        first = EXTENSIONS.index(path.suffix[1:])
        (folder / path.name.replace(".", "-")).write_bytes(bytes([first]) + path.read_bytes())
        path.unlink()
else:
    write(pathlib.Path(sys.argv[1]))
