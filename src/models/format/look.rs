//! What a file looks like that is not what its name claims: said, so that somebody knows what they have sent.

use super::{Format, error::article, onnx, ort, pytorch, tflite};

/// What a file is by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A model of this format.
    Model(Format),
    /// A zip that is no PyTorch archive, or not a whole one.
    Zip,
    /// Something else: what, and what to do.
    Thing(&'static str, &'static str),
}

impl Look {
    /// Whether it is what a name of this format claims.
    pub(super) fn is(self, format: Format) -> bool {
        self == Self::Model(format) || (self == Self::Zip && format == Format::PyTorch)
    }

    /// What it is, and what to do, where it should be of this format.
    pub(super) fn instead_of(self, format: Format) -> String {
        match self {
            Self::Model(found) => {
                let found = (article(found), found.as_str());
                format!("{} by its content: give it the extension .{}, or send the {format} file", found.0, found.1)
            }
            Self::Zip => format!("a zip archive, not {}: send the model itself", article(format)),
            Self::Thing(what, hint) => format!("{what}, not {}: {hint}", article(format)),
        }
    }
}

const HTML: Look = Look::Thing("a web page", "something went wrong where it was downloaded; download or export it again");
const LFS: Look = Look::Thing("a pointer of Git LFS", "fetch the file that it stands for with `git lfs pull`");
const KERAS: Look = Look::Thing("a Keras file (HDF5)", "convert it, and send the converted file");
const GZIP: Look = Look::Thing("compressed with gzip", "unpack it, and send what was in it");
const ZEROS: Look = Look::Thing("nothing but zeros", "copy it again");
const PICKLE: Look = Look::Thing("a bare pickle", "save it anew with torch.jit.save, or with torch.save of PyTorch 1.6 or later");

/// What a file is by its content, if that can be told.
pub(super) fn look(bytes: &[u8]) -> Option<Look> {
    let text = bytes[..bytes.len().min(512)].trim_ascii_start().to_ascii_lowercase();
    let begins_with = |start: &[u8]| text.starts_with(start);
    match bytes {
        [_, _, _, _, rest @ ..] if rest.starts_with(tflite::IDENTIFIER) => Some(Look::Model(Format::TfLite)),
        [_, _, _, _, rest @ ..] if rest.starts_with(ort::IDENTIFIER) => Some(Look::Model(Format::Ort)),
        _ if bytes.starts_with(pytorch::MAGIC) => Some(if pytorch::is_meant(bytes) { Look::Model(Format::PyTorch) } else { Look::Zip }),
        _ if bytes.starts_with(b"\x89HDF\r\n\x1a\n") => Some(KERAS),
        [0x1f, 0x8b, 8, ..] => Some(GZIP),
        [0x80, 2..=5, ..] => Some(PICKLE),
        _ if begins_with(b"<!doctype html") || begins_with(b"<html") => Some(HTML),
        _ if begins_with(b"version https://git-lfs.github.com/") => Some(LFS),
        _ if bytes.iter().all(|byte| *byte == 0) => Some(ZEROS),
        _ => onnx::is_meant(bytes).then_some(Look::Model(Format::Onnx)),
    }
}
