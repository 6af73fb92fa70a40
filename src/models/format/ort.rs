//! ONNX Runtime's own format: a FlatBuffer by the public `ort.fbs`. All of it is walked, as of TensorFlow Lite's.

use std::collections::{HashMap, HashSet};

use super::{
    Dimension, Facts, Format, Opset, Tensor, elements,
    error::Flaw,
    facts::{MOST, name, names},
    onnx::{EXTERNAL, MOST_DEPTH, MOST_INPUTS},
    reader::{self, Reader, Table},
};

/// What stands behind the first offset.
pub(super) const IDENTIFIER: &[u8] = b"ORTM";

/// Reads a whole file.
pub(super) fn read(bytes: &[u8]) -> Result<Facts, Flaw> {
    if bytes.get(4..8) != Some(IDENTIFIER) {
        return Flaw::unknown("its identifier ORTM is missing");
    }
    let options = reader::options(bytes.len());
    Session(Reader::new(&options, bytes)).read()
}

struct Session<'a>(Reader<'a>);

impl<'a> Session<'a> {
    fn read(mut self) -> Result<Facts, Flaw> {
        let [version, model, _, resolver] = self.0.root()?;
        let version = self.0.string(version)?;
        let Some(model) = model.filter(|_| !version.is_empty()) else { return Flaw::damaged("there is no model in it") };
        self.walk_resolver(resolver)?;
        let [_, opsets, producer, producer_version, domain, _, doc, graph, graph_doc, metadata] = self.0.table(model)?;
        for text in [domain, doc, graph_doc] {
            self.0.string(text)?;
        }
        self.walk_metadata(metadata)?;
        let producer = names(&[self.0.string(producer)?, self.0.string(producer_version)?]);
        let opsets = self.opsets(opsets)?;
        let Some(graph) = graph else { return Flaw::damaged("there is no graph in it") };
        self.walk_graph(graph, 0)?;
        let (inputs, outputs) = self.ends(graph)?;
        let comma = if producer.is_empty() { "" } else { ", " };
        let made_by = format!("{producer}{comma}ORT format {}", name(version));
        Ok(Facts { format: Format::Ort, made_by, opsets, inputs, outputs })
    }

    /// Which kernels the operators take.
    fn walk_resolver(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        let Some(at) = field else { return Ok(()) };
        let [operators] = self.0.table(at)?;
        for at in self.0.offsets(operators)? {
            let [operator, kernels] = self.0.table(at)?;
            self.0.string(operator)?;
            for at in self.0.offsets(kernels)? {
                let [kernel, arguments] = self.0.table(at)?;
                self.0.string(kernel)?;
                self.walk_all(arguments)?;
            }
        }
        Ok(())
    }

    fn walk_metadata(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        for at in self.0.offsets(field)? {
            let both: Table<2> = self.0.table(at)?;
            both.into_iter().try_for_each(|text| self.0.string(text).map(drop))?;
        }
        Ok(())
    }

    fn opsets(&mut self, field: Option<usize>) -> Result<Vec<Opset>, Flaw> {
        let mut opsets = Vec::new();
        for at in self.0.offsets(field)? {
            let [domain, version] = self.0.table(at)?;
            let opset = Opset { domain: name(self.0.string(domain)?), version: i64::from_le_bytes(self.0.number(version)?) };
            if opsets.len() < MOST {
                opsets.push(opset);
            }
        }
        Ok(opsets)
    }

    fn walk_all(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        self.0.offsets(field)?.try_for_each(|at| self.0.walk(Some(at)))
    }

    fn walk_graph(&mut self, at: usize, depth: usize) -> Result<(), Flaw> {
        if depth > MOST_DEPTH {
            return Flaw::damaged("its graphs lie deeper in each other than any model's");
        }
        let [initializers, arguments, nodes, _, edges, inputs, outputs, sparse, optimizations] = self.0.table(at)?;
        self.walk_tensors(initializers)?;
        for at in self.0.offsets(arguments)? {
            self.argument(at)?;
        }
        for at in self.0.offsets(nodes)? {
            self.walk_node(at, depth)?;
        }
        self.walk_edges(edges)?;
        self.0.strings(inputs)?;
        self.0.strings(outputs)?;
        for at in self.0.offsets(sparse)? {
            let both: Table<2> = self.0.table(at)?;
            both.into_iter().flatten().try_for_each(|at| self.walk_tensor(at))?;
        }
        self.0.walk(optimizations)
    }

    /// From which node to which things flow: three numbers of four bytes each.
    fn walk_edges(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        for at in self.0.offsets(field)? {
            let [_, inputs, outputs] = self.0.table(at)?;
            self.0.vector(inputs, 12)?;
            self.0.vector(outputs, 12)?;
        }
        Ok(())
    }

    fn walk_tensors(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        self.0.offsets(field)?.try_for_each(|at| self.walk_tensor(at))
    }

    fn walk_tensor(&mut self, at: usize) -> Result<(), Flaw> {
        let [name, doc, dimensions, _, raw, strings, external] = self.0.table(at)?;
        self.0.string(name)?;
        self.0.string(doc)?;
        self.0.vector(dimensions, 8)?;
        self.0.vector(raw, 1)?;
        self.0.strings(strings)?;
        let offset = i64::from_le_bytes(self.0.number(external)?);
        if external.is_some() && offset >= 0 { Flaw::unfit(EXTERNAL) } else { Ok(()) }
    }

    fn walk_node(&mut self, at: usize, depth: usize) -> Result<(), Flaw> {
        let [name, doc, domain, _, _, kind, _, provider, inputs, outputs, attributes, counts, implicit] = self.0.table(at)?;
        for text in [name, doc, domain, kind, provider] {
            self.0.string(text)?;
        }
        for names in [inputs, outputs, implicit] {
            self.0.strings(names)?;
        }
        self.0.vector(counts, 4)?;
        self.0.offsets(attributes)?.try_for_each(|at| self.walk_attribute(at, depth))
    }

    fn walk_attribute(&mut self, at: usize, depth: usize) -> Result<(), Flaw> {
        let [name, doc, _, _, _, text, tensor, graph, floats, numbers, texts, tensors, graphs] = self.0.table(at)?;
        for text in [name, doc, text] {
            self.0.string(text)?;
        }
        self.0.strings(texts)?;
        self.0.vector(floats, 4)?;
        self.0.vector(numbers, 8)?;
        tensor.map_or(Ok(()), |at| self.walk_tensor(at))?;
        self.walk_tensors(tensors)?;
        graph.map_or(Ok(()), |at| self.walk_graph(at, depth + 1))?;
        self.0.offsets(graphs)?.try_for_each(|at| self.walk_graph(at, depth + 1))
    }

    /// The inputs, without those that the file holds itself, and the outputs of a graph.
    fn ends(&mut self, graph: usize) -> Result<(Vec<Tensor>, Vec<Tensor>), Flaw> {
        let [initializers, arguments, _, _, _, inputs, outputs] = self.0.table(graph)?;
        let (inputs, outputs) = (self.names(inputs)?, self.names(outputs)?);
        if outputs.is_empty() {
            return Flaw::unfit("nothing comes out of it: export it with its outputs");
        }
        let mut open: HashSet<_> = inputs.iter().copied().collect();
        for at in self.0.offsets(initializers)? {
            let [name] = self.0.table(at)?;
            open.remove(self.0.string(name)?);
        }
        let open: Vec<_> = inputs.into_iter().filter(|name| open.contains(name)).take(MOST).collect();
        let outputs = &outputs[..outputs.len().min(MOST)];
        let mut types: HashMap<_, _> = open.iter().chain(outputs).map(|name| (*name, None)).collect();
        for at in self.0.offsets(arguments)? {
            let (name, tensor) = self.argument(at)?;
            types.entry(name).and_modify(|known| *known = Some(tensor));
        }
        let tensor = |name: &&[u8]| types[name].clone().unwrap_or_else(|| Tensor::new(name, String::new(), None));
        Ok((open.iter().map(tensor).collect(), outputs.iter().map(tensor).collect()))
    }

    fn names(&mut self, field: Option<usize>) -> Result<Vec<&'a [u8]>, Flaw> {
        let names = self.0.offsets(field)?;
        if names.len() > MOST_INPUTS {
            return Flaw::unfit(format!("it has more than {MOST_INPUTS} inputs or outputs"));
        }
        names.map(|at| self.0.string(Some(at))).collect()
    }

    /// What flows between nodes: its whole name, and what it is.
    fn argument(&mut self, at: usize) -> Result<(&'a [u8], Tensor), Flaw> {
        let [name, doc, kind] = self.0.table(at)?;
        let name = self.0.string(name)?;
        self.0.string(doc)?;
        let (element, shape) = kind.map_or(Ok((String::new(), None)), |at| self.kind(at))?;
        Ok((name, Tensor::new(name, element, shape)))
    }

    fn kind(&mut self, at: usize) -> Result<(String, Option<Vec<Dimension>>), Flaw> {
        let [denotation, kind, value] = self.0.table(at)?;
        self.0.string(denotation)?;
        let [kind] = self.0.number(kind)?;
        self.0.walk(value)?;
        match (kind, value) {
            (1, Some(at)) => {
                let [element, shape] = self.0.table(at)?;
                let element = elements::onnx(u32::from_le_bytes(self.0.number(element)?).into());
                Ok((element, shape.map(|at| self.shape(at)).transpose()?))
            }
            (2, _) => Ok(("sequence".to_owned(), None)),
            (3, _) => Ok(("map".to_owned(), None)),
            _ => Ok((String::new(), None)),
        }
    }

    fn shape(&mut self, at: usize) -> Result<Vec<Dimension>, Flaw> {
        let [dimensions] = self.0.table(at)?;
        let dimensions: Vec<_> = self.0.offsets(dimensions)?.take(MOST).map(|at| self.dimension(at)).collect::<Result<_, _>>()?;
        Ok(Dimension::shape(dimensions))
    }

    fn dimension(&mut self, at: usize) -> Result<Dimension, Flaw> {
        let [value, denotation] = self.0.table(at)?;
        self.0.string(denotation)?;
        let Some(at) = value else { return Ok(Dimension::Any) };
        let [kind, length, name] = self.0.table(at)?;
        let name = self.0.string(name)?;
        let length = i64::from_le_bytes(self.0.number(length)?);
        match self.0.number(kind)? {
            [1] => Ok(length.into()),
            [2] => Ok(Dimension::named(name)),
            _ => Ok(Dimension::Any),
        }
    }
}
