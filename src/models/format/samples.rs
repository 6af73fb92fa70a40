//! Small whole models for the tests, made here.

use std::io::{Cursor, Write};

use flatbuffers::{FlatBufferBuilder, Push, TableUnfinishedWIPOffset, UOffsetT, VOffsetT, WIPOffset};
use prost::encoding::{bytes, int64, string};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::Format;

/// A part of a `FlatBuffer` that is whole.
type Part = WIPOffset<UOffsetT>;
type Open = WIPOffset<TableUnfinishedWIPOffset>;

/// Writes tables by the numbers of their fields.
pub struct Flat(pub FlatBufferBuilder<'static>);

impl Flat {
    pub fn new() -> Self {
        Self(FlatBufferBuilder::new())
    }

    pub fn text(&mut self, text: &str) -> Part {
        WIPOffset::new(self.0.create_string(text).value())
    }

    pub fn vector<T: Push<Output = T> + Copy + 'static>(&mut self, items: &[T]) -> Part {
        WIPOffset::new(self.0.create_vector(items).value())
    }

    /// A vector of tables or texts.
    pub fn all(&mut self, parts: &[Part]) -> Part {
        let parts: Vec<WIPOffset<&str>> = parts.iter().map(|part| WIPOffset::new(part.value())).collect();
        WIPOffset::new(self.0.create_vector(&parts).value())
    }

    /// A table of these parts, and of what `more` puts in.
    pub fn table(&mut self, parts: &[(VOffsetT, Part)], more: impl FnOnce(&mut FlatBufferBuilder<'static>)) -> Part {
        let open: Open = self.0.start_table();
        for (number, part) in parts {
            self.0.push_slot_always(field(*number), WIPOffset::<&str>::new(part.value()));
        }
        more(&mut self.0);
        WIPOffset::new(self.0.end_table(open).value())
    }

    pub fn finish(mut self, root: Part, identifier: &str) -> Vec<u8> {
        self.0.finish(root, Some(identifier));
        self.0.finished_data().to_vec()
    }
}

/// Where a table's list of fields says where this one lies.
pub const fn field(number: VOffsetT) -> VOffsetT {
    4 + 2 * number
}

/// A whole model of this format, with `x float32 [?, 3]` in and `y` out where the format says so.
pub fn sample(format: Format) -> Vec<u8> {
    match format {
        Format::TfLite => tflite(3, &[0], 1),
        Format::Ort => ort(&["x", "w"]),
        Format::Onnx => onnx(&[(&["x", "w"], 11), (&["y"], 12)], &tensor("w")),
        Format::PyTorch => {
            pytorch(&[("m/data.pkl", b"\x80\x02."), ("m/data/0", &[7; 40]), ("m/version", b"3\n")], CompressionMethod::Stored)
        }
    }
}

/// TensorFlow Lite of this version, whose inputs are these tensors, and whose tensors' weights are this buffer.
pub fn tflite(version: u32, inputs: &[i32], buffer: u32) -> Vec<u8> {
    let mut flat = Flat::new();
    let weights = flat.vector(&[1_u8; 21]);
    let buffers = [&[][..], &[(0, weights)]].map(|parts| flat.table(parts, |_| {}));
    let tensors = [("x", &[1, 3][..], &[-1, 3][..]), ("y", &[3], &[])].map(|(name, shape, signature)| {
        let scale = flat.vector(&[0.5_f32]);
        let parts = [(0, flat.vector(shape)), (3, flat.text(name)), (4, flat.table(&[(2, scale)], |_| {})), (7, flat.vector(signature))];
        flat.table(&parts, |builder| builder.push_slot_always(field(2), buffer))
    });
    let ends = [flat.vector(inputs), flat.vector(&[1_i32])];
    let operator = flat.table(&[(1, ends[0]), (2, ends[1])], |_| {});
    let parts = [(0, flat.all(&tensors)), (1, ends[0]), (2, ends[1]), (3, flat.all(&[operator]))];
    let subgraph = flat.table(&parts, |_| {});
    let code = flat.table(&[], |builder| builder.push_slot_always(field(3), 9_i32));
    let parts = [(1, flat.all(&[code])), (2, flat.all(&[subgraph])), (3, flat.text("a hand")), (4, flat.all(&buffers))];
    let model = flat.table(&parts, |builder| builder.push_slot_always(field(0), version));
    flat.finish(model, "TFL3")
}

/// ONNX Runtime's format, with these inputs, and `w` held in the file.
pub fn ort(inputs: &[&str]) -> Vec<u8> {
    let mut flat = Flat::new();
    let dimensions = [2_i8, 1].map(|kind| {
        let name = flat.text("n");
        let value = flat.table(&[(2, name)], |builder| {
            builder.push_slot_always(field(0), kind);
            builder.push_slot_always(field(1), 3_i64);
        });
        flat.table(&[(0, value)], |_| {})
    });
    let dimensions = flat.all(&dimensions);
    let shape = flat.table(&[(0, dimensions)], |_| {});
    let dense = flat.table(&[(1, shape)], |builder| builder.push_slot_always(field(0), 1_i32));
    let kind = flat.table(&[(2, dense)], |builder| builder.push_slot_always(field(1), 1_u8));
    let x = flat.text("x");
    let argument = flat.table(&[(0, x), (2, kind)], |_| {});
    let parts = [(0, flat.text("w")), (4, flat.vector(&[1_u8; 21]))];
    let weights = flat.table(&parts, |_| {});
    let inputs: Vec<_> = inputs.iter().map(|name| flat.text(name)).collect();
    let y = flat.text("y");
    let parts = [(0, flat.all(&[weights])), (1, flat.all(&[argument])), (5, flat.all(&inputs)), (6, flat.all(&[y]))];
    let graph = flat.table(&parts, |_| {});
    let opset = flat.table(&[], |builder| builder.push_slot_always(field(1), 17_i64));
    let parts = [(1, flat.all(&[opset])), (2, flat.text("a hand")), (7, graph)];
    let model = flat.table(&parts, |_| {});
    let version = flat.text("6");
    let session = flat.table(&[(0, version), (1, model)], |_| {});
    flat.finish(session, "ORTM")
}

/// A message of messages, texts and bytes.
pub fn message(parts: &[(u32, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (tag, part) in parts {
        bytes::encode(*tag, &part.to_vec(), &mut message);
    }
    message
}

/// A field that holds a number.
pub fn number(tag: u32, number: i64) -> Vec<u8> {
    let mut field = Vec::new();
    int64::encode(tag, &number, &mut field);
    field
}

/// An ONNX tensor with weights.
pub fn tensor(name: &str) -> Vec<u8> {
    message(&[(8, name.as_bytes()), (9, &[1; 21])])
}

/// `name float32 [n, 3]`, as an input or output of ONNX.
pub fn value_info(name: &str) -> Vec<u8> {
    let shape = message(&[(1, &message(&[(2, b"n")])), (1, &number(1, 3))]);
    let dense = [number(1, 1), message(&[(2, &shape)])].concat();
    message(&[(1, name.as_bytes()), (2, &message(&[(1, &dense)]))])
}

/// ONNX with inputs and outputs by their tags, and this tensor.
pub fn onnx(ends: &[(&[&str], u32)], initializer: &[u8]) -> Vec<u8> {
    let node = message(&[(1, b"x"), (2, b"y"), (4, b"MatMul")]);
    let mut graph = message(&[(1, &node), (2, b"hands"), (5, initializer)]);
    for (names, tag) in ends {
        graph.extend(names.iter().flat_map(|name| message(&[(*tag, &value_info(name))])));
    }
    model(&graph)
}

/// ONNX with this graph.
pub fn model(graph: &[u8]) -> Vec<u8> {
    let mut model = number(1, 8);
    string::encode(2, &"a hand".to_owned(), &mut model);
    [model, message(&[(7, graph), (8, &number(2, 17))])].concat()
}

/// A zip of these files.
pub fn pytorch(files: &[(&str, &[u8])], how: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(how)).expect("an entry");
        zip.write_all(content).expect("written");
    }
    zip.finish().expect("a zip").into_inner()
}
