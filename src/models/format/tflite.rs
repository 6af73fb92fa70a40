//! TensorFlow Lite: a FlatBuffer by the public `schema.fbs`. All of it is walked, so that a file that was cut off anywhere is noticed.

use super::{
    Dimension, Facts, Format, Tensor, elements,
    error::Flaw,
    facts::{MOST, name},
    reader::{self, Reader, large},
};

/// What stands behind the first offset.
pub(super) const IDENTIFIER: &[u8] = b"TFL3";
/// The only version of the schema that has this identifier.
const VERSION: u32 = 3;

/// Reads a whole file.
pub(super) fn read(bytes: &[u8]) -> Result<Facts, Flaw> {
    if bytes.get(4..8) != Some(IDENTIFIER) {
        return Flaw::unknown("its identifier TFL3 is missing");
    }
    let options = reader::options(bytes.len());
    Model { reader: Reader::new(&options, bytes), codes: 0, buffers: 0 }.read()
}

struct Model<'a> {
    reader: Reader<'a>,
    /// How many kinds of operators there are.
    codes: usize,
    /// How many buffers of weights there are.
    buffers: usize,
}

impl Model<'_> {
    fn read(mut self) -> Result<Facts, Flaw> {
        let [version, codes, subgraphs, description, buffers, metadata_buffer, metadata, signatures] = self.reader.root()?;
        let version = u32::from_le_bytes(self.reader.number(version)?);
        if version != VERSION {
            return Flaw::unfit(format!(
                "it is of version {version} of TensorFlow Lite's schema, and watches run {VERSION}: export it again"
            ));
        }
        let made_by = name(self.reader.string(description)?);
        self.reader.vector(metadata_buffer, 4)?;
        self.walk_codes(codes)?;
        self.walk_buffers(buffers)?;
        self.walk_metadata(metadata)?;
        self.walk_signatures(signatures)?;
        let (inputs, outputs) = self.subgraphs(subgraphs)?;
        Ok(Facts { format: Format::TfLite, made_by, opsets: Vec::new(), inputs, outputs })
    }

    fn walk_codes(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        let codes = self.reader.offsets(field)?;
        self.codes = codes.len();
        for at in codes {
            let [_, custom, version, code] = self.reader.table(at)?;
            self.reader.string(custom)?;
            self.reader.number::<4>(version)?;
            self.reader.number::<4>(code)?;
        }
        Ok(())
    }

    /// The weights.
    fn walk_buffers(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        let buffers = self.reader.offsets(field)?;
        self.buffers = buffers.len();
        for at in buffers {
            let [data, offset, size] = self.reader.table(at)?;
            self.reader.vector(data, 1)?;
            self.check_behind(offset, size)?;
        }
        Ok(())
    }

    fn walk_metadata(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        for at in self.reader.offsets(field)? {
            let [name, buffer] = self.reader.table(at)?;
            self.reader.string(name)?;
            self.check_buffer(buffer)?;
        }
        Ok(())
    }

    fn walk_signatures(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        for at in self.reader.offsets(field)? {
            let [inputs, outputs, key] = self.reader.table(at)?;
            self.reader.string(key)?;
            self.walk_names(inputs)?;
            self.walk_names(outputs)?;
        }
        Ok(())
    }

    /// What a signature calls its tensors.
    fn walk_names(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        for at in self.reader.offsets(field)? {
            let [name, tensor] = self.reader.table(at)?;
            self.reader.string(name)?;
            self.reader.number::<4>(tensor)?;
        }
        Ok(())
    }

    fn check_buffer(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        // A model without any buffers names the first one everywhere.
        if self.reader.index(field)? < self.buffers.max(1) {
            return Ok(());
        }
        Flaw::damaged("it names a buffer of weights that it does not hold")
    }

    /// What goes into the first subgraph, which is the one that is run, and what comes out.
    fn subgraphs(&mut self, field: Option<usize>) -> Result<(Vec<Tensor>, Vec<Tensor>), Flaw> {
        let mut first = None;
        for at in self.reader.offsets(field)? {
            let ends = self.subgraph(at)?;
            first.get_or_insert(ends);
        }
        match first {
            None => Flaw::damaged("there is no graph in it"),
            Some((_, outputs)) if outputs.is_empty() => Flaw::unfit("nothing comes out of it: export it with its outputs"),
            Some(ends) => Ok(ends),
        }
    }

    fn subgraph(&mut self, at: usize) -> Result<(Vec<Tensor>, Vec<Tensor>), Flaw> {
        let [tensors, inputs, outputs, operators, name] = self.reader.table(at)?;
        self.reader.string(name)?;
        let mut tensors = self.reader.offsets(tensors)?;
        let count = tensors.len();
        self.walk_operators(operators, count)?;
        let ends = (self.ends(inputs, &tensors, count)?, self.ends(outputs, &tensors, count)?);
        tensors.try_for_each(|at| self.tensor(at).map(drop))?;
        Ok(ends)
    }

    /// The inputs or the outputs: indices of tensors.
    fn ends(&mut self, field: Option<usize>, tensors: &(impl Iterator<Item = usize> + Clone), count: usize) -> Result<Vec<Tensor>, Flaw> {
        let indices = self.reader.vector(field, 4)?;
        check_indices(indices, count, false)?;
        let places = numbers(indices).take(MOST).filter_map(|index| tensors.clone().nth(usize::try_from(index).ok()?));
        places.map(|at| self.tensor(at)).collect()
    }

    fn tensor(&mut self, at: usize) -> Result<Tensor, Flaw> {
        let [shape, element, buffer, name, quantization, _, sparsity, signature, ranked] = self.reader.table(at)?;
        self.check_buffer(buffer)?;
        self.walk_quantization(quantization)?;
        self.reader.walk(sparsity)?;
        let [element] = self.reader.number(element)?;
        let [ranked] = self.reader.number(ranked)?;
        let (shape, signature) = (self.reader.vector(shape, 4)?, self.reader.vector(signature, 4)?);
        // Where a dimension may be any, the signature says -1 and the shape 1.
        let lengths = numbers(if signature.is_empty() { shape } else { signature }).map(|length| Dimension::from(i64::from(length)));
        let known = !shape.is_empty() || ranked != 0;
        Ok(Tensor::new(self.reader.string(name)?, elements::tflite(element), known.then(|| Dimension::shape(lengths))))
    }

    fn walk_quantization(&mut self, field: Option<usize>) -> Result<(), Flaw> {
        let Some(at) = field else { return Ok(()) };
        let [least, most, scale, zero_point] = self.reader.table(at)?;
        for (vector, size) in [(least, 4), (most, 4), (scale, 4), (zero_point, 8)] {
            self.reader.vector(vector, size)?;
        }
        Ok(())
    }

    fn walk_operators(&mut self, field: Option<usize>, tensors: usize) -> Result<(), Flaw> {
        for at in self.reader.offsets(field)? {
            let [code, inputs, outputs, _, options, custom, _, _, _, offset, size] = self.reader.table(at)?;
            if self.reader.index(code)? >= self.codes {
                return Flaw::damaged("it names an operator that it does not hold");
            }
            for indices in [inputs, outputs] {
                check_indices(self.reader.vector(indices, 4)?, tensors, true)?;
            }
            self.reader.walk(options)?;
            self.reader.vector(custom, 1)?;
            self.check_behind(offset, size)?;
        }
        Ok(())
    }

    /// What large files keep behind the FlatBuffer.
    fn check_behind(&mut self, offset: Option<usize>, size: Option<usize>) -> Result<(), Flaw> {
        let [offset, size] = [self.reader.number(offset)?, self.reader.number(size)?].map(u64::from_le_bytes).map(large);
        // 1 holds the place of an offset that was never filled in.
        if offset > 1 { self.reader.check(offset, size) } else { Ok(()) }
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = i32> {
    bytes.chunks_exact(4).filter_map(|four| four.try_into().ok()).map(i32::from_le_bytes)
}

/// That all of some indices stand for one of `count` tensors; -1 stands for none, where that may be.
fn check_indices(indices: &[u8], count: usize, none: bool) -> Result<(), Flaw> {
    let stands = |index: i32| usize::try_from(index).map_or(none && index == -1, |index| index < count);
    if numbers(indices).all(stands) { Ok(()) } else { Flaw::damaged("it names a tensor that it does not hold") }
}
