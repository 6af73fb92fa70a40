//! `docs/performance.md`: its measured parts are written anew, and what people wrote around them stays.

use std::fs;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");

/// A part of the document, between two marks of its name.
pub struct Part(pub &'static str);

impl Part {
    /// Puts a text between the two marks.
    ///
    /// # Panics
    /// If the document is gone, or has lost a mark.
    pub fn write(&self, measured: &str) {
        let text = fs::read_to_string(PATH).expect("docs/performance.md");
        fs::write(PATH, self.between(&text, measured)).expect("docs/performance.md");
        println!("written into docs/performance.md");
    }

    /// Sees that [`Part::write`] would find its place.
    pub fn check(&self) {
        let text = fs::read_to_string(PATH).expect("docs/performance.md");
        let [begin, end] = self.marks();
        assert!(self.between(&text, "x").contains(&format!("{begin}\nx\n{end}")), "docs/performance.md");
    }

    fn between(&self, text: &str, measured: &str) -> String {
        let [begin, end] = self.marks();
        let (before, rest) = text.split_once(&begin).expect("the mark where it begins");
        let (_, after) = rest.split_once(&end).expect("the mark where it ends");
        format!("{before}{begin}\n{}\n{end}{after}", measured.trim_end())
    }

    fn marks(&self) -> [String; 2] {
        ["begin", "end"].map(|end| format!("<!-- {}: {end} -->", self.0))
    }
}
