//! Model files as their own libraries write them: what they say of themselves is read, and what is done to them is noticed.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use wearhouse::{
    ids::FileName,
    models::format::{Facts, Format, NotAModel, Opset, Tensor, inspect},
};

/// The folder of the files that `tests/models/make.py` writes.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models");
    let mut python = Command::new(house.join("target/python/bin/python"));
    let status = python.arg("-B").arg(house.join("tests/models/make.py")).arg(&folder).status();
    assert!(status.expect("target/python: ./scripts/test installs it").success(), "target/python: ./scripts/test installs it");
    folder
});

fn content(name: &str) -> Vec<u8> {
    std::fs::read(FOLDER.join(name)).expect("written")
}

fn read(name: &str, bytes: &[u8]) -> Result<Facts, NotAModel> {
    inspect(&FileName::from_sent(name), bytes)
}

/// What is said of a file that is refused: one sentence that begins with its name.
fn refused(name: &str, bytes: &[u8]) -> String {
    let sentence = read(name, bytes).expect_err("refused").to_string();
    assert!(sentence.starts_with(&format!("{name} ")) && sentence.len() < 300 && !sentence.contains('\n'), "{sentence}");
    sentence
}

fn lines(tensors: &[Tensor]) -> String {
    tensors.iter().map(Tensor::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_a_real_file_says_of_itself_is_read() {
    let expected = [
        ("plain.onnx", "a hand 1.2", "x float32 [1, 128, 6]", "größe 東京 float32 [1, 4]"),
        ("batch.onnx", "a hand 1.2", "x float32 [batch, 128, 6]", "größe 東京 float32 [batch, 4]"),
        ("old.onnx", "a hand 1.2", "x float32 [1, 128, 6]", "größe 東京 float32 [1, 4]"),
        ("sequence.onnx", "a hand 1.2", "x float32 [1, 128, 6]", "größe 東京 float32 [1, 4]; all sequence"),
        ("plain.tflite", "MLIR Converted.", "serving_default_x:0 float32 [?, 128, 6]", "größe 東京 int8 [1, 4]"),
        ("plain.ort", "a hand 1.2, ORT format 6", "x float32 [batch, 128, 6]", "größe 東京 float32 [batch, 4]"),
        ("plain.pt", "TorchScript, archive version 3", "", ""),
        ("deflated.pt", "TorchScript, archive version 3", "", ""),
        ("saved.pt", "torch.save, archive version 3", "", ""),
    ];
    for (name, made_by, inputs, outputs) in expected {
        let facts = read(name, &content(name)).unwrap_or_else(|refused| panic!("{refused}"));
        let said = (facts.made_by.as_str(), lines(&facts.inputs), lines(&facts.outputs));
        assert_eq!(said, (made_by, inputs.to_owned(), outputs.to_owned()), "{name}");
        assert_eq!(Some(facts.format), Format::of(&FileName::from_sent(name)));
    }
    let opsets = read("plain.onnx", &content("plain.onnx")).expect("a model").opsets;
    assert_eq!(opsets.iter().map(Opset::to_string).collect::<Vec<_>>(), ["ai.onnx 17", "ai.onnx.ml 3"]);
}

#[test]
fn a_real_file_that_a_watch_cannot_use_is_refused_with_what_to_do() {
    let expected = [
        ("outside.onnx", "cannot be used: it keeps its weights in another file"),
        ("future.tflite", "cannot be used: it is of version 4"),
        ("bare.pt", "is a bare pickle, not a PyTorch file: save it anew with torch.jit.save"),
        ("other.pt", "it is a zip without the data.pkl and the version of a model"),
    ];
    for (name, sentence) in expected {
        let said = refused(name, &content(name));
        assert!(said.contains(sentence), "{said}");
    }
}

const WHOLE: [&str; 4] = ["plain.tflite", "plain.ort", "plain.onnx", "plain.pt"];

#[test]
fn a_real_file_that_was_cut_off_is_refused() {
    for name in WHOLE {
        let whole = content(name);
        // What may be missing unnoticed: padding, and the last operator set of ONNX.
        let unnoticed = 20;
        for length in (0..whole.len() - unnoticed).rev().step_by(7).chain(0..200) {
            refused(name, &whole[..length]);
        }
        let sentence = refused(name, &whole[..whole.len() * 2 / 3]);
        assert!(sentence.contains(" is cut off or damaged: ") && sentence.ends_with("; export or copy it again"), "{sentence}");
    }
}

#[test]
fn a_real_file_under_another_extension_is_called_by_its_name() {
    for (real, claimed) in WHOLE.into_iter().flat_map(|real| WHOLE.map(|claimed| (real, claimed))) {
        if real != claimed {
            let sentence = refused(claimed, &content(real));
            let extension = Path::new(real).extension().and_then(|extension| extension.to_str()).expect("an extension");
            assert!(sentence.contains(&format!(" file by its content: give it the extension .{extension}, or send the ")), "{sentence}");
        }
    }
}

#[test]
fn a_real_file_with_wrong_bytes_is_read_or_refused_and_noise_is_refused() {
    let mut random = StdRng::seed_from_u64(7);
    for name in WHOLE {
        let whole = content(name);
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..8) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            if read(name, &bytes).is_err() {
                refused(name, &bytes);
            }
        }
        for length in [1, 8, 100, 10_000] {
            let noise: Vec<u8> = (0..length).map(|_| random.random()).collect();
            refused(name, &noise);
            // Behind what a file begins with, too.
            refused(name, &[&whole[..whole.len().min(8)], &noise].concat());
        }
    }
}
