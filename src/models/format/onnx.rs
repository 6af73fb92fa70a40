//! ONNX: protocol buffers by the public `onnx.proto`.

use std::collections::HashSet;

use super::{
    Dimension, Facts, Format, Opset, Tensor, elements,
    error::Flaw,
    facts::{MOST, name, names},
    fields::{
        Fields,
        Value::{Bytes, Number},
    },
};

/// Graphs lie within nodes, for loops and conditions: so deep at most.
pub(super) const MOST_DEPTH: usize = 16;
/// A file that lists more inputs, those that it holds itself included, is no model for a watch.
pub(super) const MOST_INPUTS: usize = 4096;
/// What is said of a file without its weights.
pub(super) const EXTERNAL: &str =
    "it keeps its weights in another file, and a watch gets this one alone: export it with the weights inside, in one file";

/// Reads a whole file.
pub(super) fn read(bytes: &[u8]) -> Result<Facts, Flaw> {
    let model = Model::read(bytes)?;
    let Some(graph) = model.graph else { return Flaw::damaged("there is no graph in it") };
    if model.opsets.is_empty() {
        return Flaw::damaged("it does not say which operators it needs");
    }
    if walk_graph(graph, 0)? == 0 {
        return Flaw::unfit("there is nothing in its graph: export it again");
    }
    let (inputs, outputs) = ends(graph)?;
    Ok(Facts { format: Format::Onnx, made_by: names(&[model.producer, model.version]), opsets: model.opsets, inputs, outputs })
}

/// Whether a whole model with a graph seems to be meant, be it good or bad.
pub(super) fn is_meant(bytes: &[u8]) -> bool {
    Model::read(bytes).is_ok_and(|model| model.graph.is_some())
}

/// `ModelProto`.
#[derive(Default)]
struct Model<'a> {
    producer: &'a [u8],
    version: &'a [u8],
    opsets: Vec<Opset>,
    graph: Option<&'a [u8]>,
}

impl<'a> Model<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let (mut model, mut known) = (Self::default(), false);
        for field in Fields::new(bytes) {
            match field {
                Ok((1, Number(version))) => known = version.cast_signed() >= 1,
                Ok((2, Bytes(producer))) => model.producer = producer,
                Ok((3, Bytes(version))) => model.version = version,
                Ok((7, Bytes(_))) if model.graph.is_some() => return Flaw::damaged("there are two graphs in it"),
                Ok((7, Bytes(graph))) => model.graph = Some(graph),
                Ok((8, Bytes(opset))) if model.opsets.len() < MOST => model.opsets.push(self::opset(opset)?),
                Ok((25, Bytes(function))) => walk_function(function)?,
                Ok(_) => {}
                Err(flaw) if known => return Err(flaw),
                Err(_) => return Flaw::unknown("it is not made as ONNX files are"),
            }
        }
        if known { Ok(model) } else { Flaw::unknown("it does not say which version of ONNX it is of") }
    }
}

/// `OperatorSetIdProto`.
fn opset(bytes: &[u8]) -> Result<Opset, Flaw> {
    let mut opset = Opset { domain: String::new(), version: 0 };
    for field in Fields::new(bytes) {
        match field? {
            (1, Bytes(domain)) => opset.domain = name(domain),
            (2, Number(version)) => opset.version = version.cast_signed(),
            _ => {}
        }
    }
    Ok(opset)
}

/// `FunctionProto`: nodes that have a name together.
fn walk_function(bytes: &[u8]) -> Result<(), Flaw> {
    for field in Fields::new(bytes) {
        if let (7, Bytes(node)) = field? {
            walk_node(node, 0)?;
        }
    }
    Ok(())
}

/// Walks a `GraphProto` and all within, and counts its nodes.
fn walk_graph(bytes: &[u8], depth: usize) -> Result<usize, Flaw> {
    if depth > MOST_DEPTH {
        return Flaw::damaged("its graphs lie deeper in each other than any model's");
    }
    let mut nodes = 0;
    for field in Fields::new(bytes) {
        match field? {
            (1, Bytes(node)) => {
                walk_node(node, depth)?;
                nodes += 1;
            }
            (5, Bytes(initializer)) => walk_tensor(initializer)?,
            (15, Bytes(sparse)) => walk_sparse(sparse)?,
            _ => {}
        }
    }
    Ok(nodes)
}

/// `NodeProto`, for what its attributes hold.
fn walk_node(bytes: &[u8], depth: usize) -> Result<(), Flaw> {
    for field in Fields::new(bytes) {
        if let (5, Bytes(attribute)) = field? {
            walk_attribute(attribute, depth)?;
        }
    }
    Ok(())
}

/// `AttributeProto`: a tensor, a graph, or many.
fn walk_attribute(bytes: &[u8], depth: usize) -> Result<(), Flaw> {
    for field in Fields::new(bytes) {
        match field? {
            (5 | 10, Bytes(tensor)) => walk_tensor(tensor)?,
            (6 | 11, Bytes(graph)) => drop(walk_graph(graph, depth + 1)?),
            (22 | 23, Bytes(sparse)) => walk_sparse(sparse)?,
            _ => {}
        }
    }
    Ok(())
}

/// `SparseTensorProto`.
fn walk_sparse(bytes: &[u8]) -> Result<(), Flaw> {
    for field in Fields::new(bytes) {
        if let (1 | 2, Bytes(tensor)) = field? {
            walk_tensor(tensor)?;
        }
    }
    Ok(())
}

/// `TensorProto`: its weights must be within.
fn walk_tensor(bytes: &[u8]) -> Result<(), Flaw> {
    for field in Fields::new(bytes) {
        if field? == (14, Number(1)) {
            return Flaw::unfit(EXTERNAL);
        }
    }
    Ok(())
}

/// The inputs, without those that the file holds itself as older exporters list them, too; and the outputs.
fn ends(graph: &[u8]) -> Result<(Vec<Tensor>, Vec<Tensor>), Flaw> {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for field in Fields::new(graph) {
        match field? {
            (11, Bytes(_)) if inputs.len() == MOST_INPUTS => {
                return Flaw::unfit(format!("it has more than {MOST_INPUTS} inputs"));
            }
            (11, Bytes(input)) => inputs.push((bytes_of(input, 1)?, input)),
            (12, Bytes(output)) if outputs.len() < MOST => outputs.push(tensor(output)?),
            _ => {}
        }
    }
    if outputs.is_empty() {
        return Flaw::unfit("nothing comes out of it: export it with its outputs");
    }
    let open = open(graph, inputs.iter().map(|(name, _)| *name).collect())?;
    let inputs = inputs.into_iter().filter(|(name, _)| open.contains(name)).take(MOST).map(|(_, input)| tensor(input));
    Ok((inputs.collect::<Result<_, _>>()?, outputs))
}

/// Those of some names that are not of a tensor that a graph holds itself.
fn open<'a>(graph: &'a [u8], mut names: HashSet<&'a [u8]>) -> Result<HashSet<&'a [u8]>, Flaw> {
    for field in Fields::new(graph) {
        let name = match field? {
            (5, Bytes(tensor)) => bytes_of(tensor, 8)?,
            (15, Bytes(sparse)) => bytes_of(bytes_of(sparse, 1)?, 8)?,
            _ => continue,
        };
        names.remove(name);
    }
    Ok(names)
}

/// What the last field of this tag holds; nothing where there is none.
fn bytes_of(message: &[u8], tag: u32) -> Result<&[u8], Flaw> {
    let mut last: &[u8] = &[];
    for field in Fields::new(message) {
        if let (found, Bytes(bytes)) = field?
            && found == tag
        {
            last = bytes;
        }
    }
    Ok(last)
}

/// `ValueInfoProto`: an input or an output, and its `TypeProto`.
fn tensor(bytes: &[u8]) -> Result<Tensor, Flaw> {
    let (mut element, mut shape) = (String::new(), None);
    for field in Fields::new(bytes_of(bytes, 2)?) {
        match field? {
            (1, Bytes(dense)) => (element, shape) = kind(dense)?,
            (8, Bytes(sparse)) => {
                (element, shape) = kind(sparse)?;
                element = format!("sparse {element}");
            }
            (4, _) => "sequence".clone_into(&mut element),
            (5, _) => "map".clone_into(&mut element),
            (9, _) => "optional".clone_into(&mut element),
            _ => {}
        }
    }
    Ok(Tensor::new(bytes_of(bytes, 1)?, element, shape))
}

/// `TypeProto.Tensor`: of what, and the shape.
fn kind(bytes: &[u8]) -> Result<(String, Option<Vec<Dimension>>), Flaw> {
    let (mut element, mut shape) = (String::new(), None);
    for field in Fields::new(bytes) {
        match field? {
            (1, Number(number)) => element = elements::onnx(number),
            (2, Bytes(bytes)) => shape = Some(self::shape(bytes)?),
            _ => {}
        }
    }
    Ok((element, shape))
}

/// `TensorShapeProto`.
fn shape(bytes: &[u8]) -> Result<Vec<Dimension>, Flaw> {
    let mut shape = Vec::new();
    for field in Fields::new(bytes) {
        if let (1, Bytes(bytes)) = field?
            && shape.len() < MOST
        {
            shape.push(dimension(bytes)?);
        }
    }
    Ok(Dimension::shape(shape))
}

fn dimension(bytes: &[u8]) -> Result<Dimension, Flaw> {
    let mut dimension = Dimension::Any;
    for field in Fields::new(bytes) {
        match field? {
            (1, Number(length)) => dimension = length.cast_signed().into(),
            (2, Bytes(name)) => dimension = Dimension::named(name),
            _ => {}
        }
    }
    Ok(dimension)
}
