//! `docs/performance.md`: its measured part is written anew, and what people wrote around it stays.

use std::fs;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Puts a text between the two marks.
///
/// # Panics
/// If the document is gone, or has lost a mark.
pub fn write(measured: &str) {
    let text = fs::read_to_string(PATH).expect("docs/performance.md");
    fs::write(PATH, between(&text, measured)).expect("docs/performance.md");
    println!("written into docs/performance.md");
}

/// Sees that [`write`] would find its place.
pub fn check() {
    let text = fs::read_to_string(PATH).expect("docs/performance.md");
    assert!(between(&text, "x").contains(&format!("{BEGIN}\nx\n{END}")), "docs/performance.md");
}

fn between(text: &str, measured: &str) -> String {
    let (before, rest) = text.split_once(BEGIN).expect("the mark where it begins");
    let (_, after) = rest.split_once(END).expect("the mark where it ends");
    format!("{before}{BEGIN}\n{}\n{END}{after}", measured.trim_end())
}
