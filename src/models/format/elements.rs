//! What tensors are made of, by the numbers of the public schemas.

/// `TensorType` of TensorFlow Lite's `schema.fbs`.
const TFLITE: [&str; 21] = [
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
    "bfloat16",
    "int2",
    "uint4",
];

/// `TensorProto.DataType` of `onnx.proto`, which ONNX Runtime's `ort.fbs` shares. The first stands for none.
const ONNX: [&str; 29] = [
    "",
    "float32",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "string",
    "bool",
    "float16",
    "float64",
    "uint32",
    "uint64",
    "complex64",
    "complex128",
    "bfloat16",
    "float8e4m3fn",
    "float8e4m3fnuz",
    "float8e5m2",
    "float8e5m2fnuz",
    "uint4",
    "int4",
    "float4e2m1",
    "float8e8m0",
    "uint2",
    "int2",
    "float6e2m3",
    "float6e3m2",
];

/// The element of a TensorFlow Lite tensor.
pub(super) fn tflite(number: u8) -> String {
    name(&TFLITE, u64::from(number))
}

/// The element of an ONNX tensor.
pub(super) fn onnx(number: u64) -> String {
    name(&ONNX, number)
}

/// A newer file may know more of them.
fn name(names: &[&str], number: u64) -> String {
    usize::try_from(number).ok().and_then(|at| names.get(at)).map_or_else(|| format!("type {number}"), |name| (*name).to_owned())
}
