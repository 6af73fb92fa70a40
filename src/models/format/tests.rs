//! What holds for every format: whole files are read, all others are refused with a sentence.

use proptest::prelude::*;
use zip::CompressionMethod;

use super::{
    samples::{Flat, field, message, model, number, onnx, ort, pytorch, sample, tensor, tflite, value_info},
    *,
};

fn named(format: Format) -> FileName {
    FileName::from_sent(&format!("hands.{}", format.as_str()))
}

fn read(format: Format, bytes: &[u8]) -> Result<Facts, NotAModel> {
    inspect(&named(format), bytes)
}

/// What is said of a file that is refused.
fn refused(format: Format, bytes: &[u8]) -> String {
    let sentence = read(format, bytes).expect_err("refused").to_string();
    assert!(sentence.starts_with(&format!("hands.{} ", format.as_str())), "{sentence}");
    sentence
}

fn lines(tensors: &[Tensor]) -> Vec<String> {
    tensors.iter().map(Tensor::to_string).collect()
}

#[test]
fn what_a_whole_file_says_of_itself_is_read() {
    let expected = [
        (Format::TfLite, "a hand", vec!["x float32 [?, 3]"], vec!["y float32 [3]"]),
        (Format::Ort, "a hand, ORT format 6", vec!["x float32 [n, 3]"], vec!["y"]),
        (Format::Onnx, "a hand", vec!["x float32 [n, 3]"], vec!["y float32 [n, 3]"]),
        (Format::PyTorch, "torch.save, archive version 3", vec![], vec![]),
    ];
    for (format, made_by, inputs, outputs) in expected {
        let facts = read(format, &sample(format)).expect("a model");
        assert_eq!((facts.format, facts.made_by.as_str()), (format, made_by));
        assert_eq!(
            (lines(&facts.inputs), lines(&facts.outputs)),
            (inputs.iter().map(ToString::to_string).collect(), outputs.iter().map(ToString::to_string).collect()),
            "{format}"
        );
        let opsets: Vec<_> = facts.opsets.iter().map(Opset::to_string).collect();
        assert_eq!(opsets.is_empty(), !matches!(format, Format::Ort | Format::Onnx), "{opsets:?}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    for format in Format::ALL {
        let whole = sample(format);
        // Nothing points to what fills up the last part of a FlatBuffer; one of them ends in a text, whose end is pointed to.
        let zeros = whole.iter().rev().take_while(|byte| **byte == 0).count();
        let filled = [(Format::TfLite, zeros), (Format::Ort, zeros.saturating_sub(1))]
            .into_iter()
            .find(|(of, _)| *of == format)
            .map_or(0, |(_, zeros)| zeros);
        for length in 0..whole.len() - filled {
            let sentence = refused(format, &whole[..length]);
            assert!(sentence.contains("again") || sentence.contains("send the model itself"), "{format}, {length}: {sentence}");
        }
    }
}

#[test]
fn a_wrong_byte_is_at_most_a_sentence() {
    for format in Format::ALL {
        let whole = sample(format);
        let mut refused = 0;
        for at in 0..whole.len() {
            for wrong in [0, 1, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
                let mut bytes = whole.clone();
                bytes[at] = wrong;
                refused += usize::from(read(format, &bytes).is_err());
            }
        }
        assert!(refused > whole.len() / 10, "{format}: {refused} of {}", whole.len());
    }
}

#[test]
fn a_wrong_byte_in_the_parts_of_an_archive_is_noticed() {
    let whole = sample(Format::PyTorch);
    let weights = whole.windows(40).position(|window| window == [7; 40]).expect("weights");
    for at in weights..weights + 40 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(refused(Format::PyTorch, &bytes).contains("checksum"));
    }
}

#[test]
fn a_model_of_another_format_is_called_by_its_name() {
    for (claimed, real) in Format::ALL.into_iter().flat_map(|claimed| Format::ALL.map(|real| (claimed, real))) {
        if claimed != real {
            let sentence = refused(claimed, &sample(real));
            let expected = format!("{real} file by its content: give it the extension .{}, or send the {claimed} file", real.as_str());
            assert!(sentence.ends_with(&expected), "{sentence}");
        }
    }
    let sentence = refused(Format::TfLite, &sample(Format::Onnx));
    assert!(sentence.starts_with("hands.tflite is an ONNX file by its content"), "{sentence}");
}

#[test]
fn what_is_no_model_at_all_is_called_by_its_name() {
    let zip = pytorch(&[("readme.txt", b"hands")], CompressionMethod::Stored);
    let things: [(&[u8], &str); 9] = [
        (b"", " is empty: export or copy it again"),
        (b"\n <!DOCTYPE html><title>404</title>", " is a web page, not "),
        (b"version https://git-lfs.github.com/spec/v1\noid", " is a pointer of Git LFS, not "),
        (b"\x89HDF\r\n\x1a\n\0\0", " is a Keras file (HDF5), not "),
        (&[0x1f, 0x8b, 8, 0, 0], " is compressed with gzip, not "),
        (&[0; 4096], " is nothing but zeros, not "),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", " is a bare pickle, not "),
        (b"hands", "export or copy it again"),
        (&zip, "a zip"),
    ];
    for (format, (bytes, expected)) in Format::ALL.into_iter().flat_map(|format| things.map(|thing| (format, thing))) {
        let sentence = refused(format, bytes);
        assert!(sentence.contains(expected), "{sentence}");
    }
    assert!(refused(Format::PyTorch, b"\x80\x02}.").contains("torch.jit.save"));
    let unnamed = inspect(&FileName::from_sent("hands.csv"), &sample(Format::Onnx)).expect_err("no model's name").to_string();
    assert!(unnamed.starts_with("hands.csv is not named as a model is"), "{unnamed}");
}

#[test]
fn what_holds_together_and_is_of_no_use_is_refused_with_a_reason() {
    let outside = [tensor("w"), number(14, 1)].concat();
    let within = message(&[(5, &message(&[(6, &message(&[(1, &message(&[(5, &message(&[(5, &outside)]))]))]))]))]);
    let within = model(&[message(&[(1, &within)]), message(&[(12, &value_info("y"))])].concat());
    let many: Vec<_> = vec!["x"; 4097];
    let cases = [
        (Format::TfLite, tflite(2, &[0], 1), "version 2"),
        (Format::TfLite, tflite(3, &[2], 1), "names a tensor that it does not hold"),
        (Format::TfLite, tflite(3, &[-1], 1), "names a tensor that it does not hold"),
        (Format::TfLite, tflite(3, &[0], 2), "names a buffer of weights that it does not hold"),
        (Format::Ort, ort(&many), "more than 4096 inputs"),
        (Format::Onnx, onnx(&[(&["y"], 12)], &outside), "keeps its weights in another file"),
        (Format::Onnx, within, "keeps its weights in another file"),
        (Format::Onnx, onnx(&[(&["x"], 11)], &[]), "nothing comes out of it"),
        (Format::Onnx, onnx(&[(&many, 11), (&["y"], 12)], &[]), "more than 4096 inputs"),
        (Format::Onnx, model(&message(&[(12, &value_info("y"))])), "nothing in its graph"),
        (Format::Onnx, [number(1, 8), message(&[(8, &number(2, 17))])].concat(), "no graph in it"),
        (Format::Onnx, model(&[])[2..].to_vec(), "does not say which version of ONNX"),
    ];
    for (format, bytes, expected) in cases {
        let sentence = refused(format, &bytes);
        assert!(sentence.contains(expected), "{sentence}");
    }
}

#[test]
fn a_file_that_says_much_of_itself_is_kept_short() {
    let names: Vec<_> = (0..4000).map(|number| format!("{number:\"<300}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for (format, bytes) in [(Format::Ort, ort(&names)), (Format::Onnx, onnx(&[(&names, 11), (&names, 12)], &[]))] {
        let facts = read(format, &bytes).expect("a model");
        assert_eq!(facts.inputs.len(), 64, "{format}");
        assert!(serde_json::to_string(&facts).expect("json").len() < 64 << 10, "{format}");
    }
}

#[test]
fn a_file_that_means_to_take_long_comes_to_an_end() {
    // Each level points twice to the one below: 2⁴⁰ graphs.
    let mut flat = Flat::new();
    let mut graph = flat.table(&[], |_| {});
    for _ in 0..40 {
        let graphs = flat.all(&[graph; 2]);
        let attribute = flat.table(&[(12, graphs)], |_| {});
        let attributes = flat.all(&[attribute]);
        let node = flat.table(&[(10, attributes)], |_| {});
        let nodes = flat.all(&[node]);
        graph = flat.table(&[(2, nodes)], |_| {});
    }
    let model = flat.table(&[(7, graph)], |_| {});
    let version = flat.text("6");
    let session = flat.table(&[(0, version), (1, model)], |_| {});
    assert!(refused(Format::Ort, &flat.finish(session, "ORTM")).contains("deeper in each other"));

    // One table, as often as a vector has room for.
    let mut flat = Flat::new();
    let operator = flat.table(&[], |_| {});
    let codes = flat.all(&vec![operator; 600_000]);
    let model = flat.table(&[(1, codes)], |builder| builder.push_slot_always(field(0), 3_u32));
    assert!(refused(Format::TfLite, &flat.finish(model, "TFL3")).contains("more parts than a file of its size can hold"));

    let bomb = pytorch(&[("m/data.pkl", &vec![0; 40 << 20])], CompressionMethod::Deflated);
    assert!(refused(Format::PyTorch, &bomb).contains("unpacks to many times its length"));

    // Millions of empty inputs, and a zip's directory without an end.
    let inputs = [model_of_empty_inputs(2_000_000), b"PK\x01\x02".repeat(500_000), b"PK\x05\x06".repeat(500_000)];
    assert!(refused(Format::Onnx, &inputs[0]).contains("more than 4096 inputs"));
    for tail in &inputs[1..] {
        refused(Format::PyTorch, &[b"PK\x03\x04".as_slice(), tail].concat());
    }
}

fn model_of_empty_inputs(count: usize) -> Vec<u8> {
    let node = message(&[(4, b"MatMul")]);
    model(&[message(&[(1, &node)]), [11 << 3 | 2, 0].repeat(count), message(&[(12, &value_info("y"))])].concat())
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes: Vec<u8>, at in 0..4_usize) {
        let format = Format::ALL[at];
        let start: &[u8] = match format {
            Format::TfLite => b"\x08\0\0\0TFL3",
            Format::Ort => b"\x08\0\0\0ORTM",
            Format::Onnx => b"\x08\x08\x3a",
            Format::PyTorch => b"PK\x03\x04",
        };
        for bytes in [bytes.clone(), [start, &bytes].concat()] {
            if let Err(refused) = read(format, &bytes) {
                prop_assert!(refused.to_string().len() < 1000);
            }
        }
    }

    #[test]
    fn nothing_that_is_put_over_a_model_is_too_odd(over: Vec<u8>, at: usize, format in 0..4_usize) {
        let format = Format::ALL[format];
        let mut bytes = sample(format);
        let at = at % bytes.len();
        let end = bytes.len().min(at + over.len());
        bytes[at..end].copy_from_slice(&over[..end - at]);
        let _ = read(format, &bytes);
    }
}
