//! What it costs to make zips, and to keep them fresh.

mod pace;
mod trickle;

use crate::{Bench, report::Chapter};

pub fn measure(bench: &Bench) -> Chapter {
    let mut chapter = Chapter::new("Rolling", &["what", "figure"]);
    pace::stored(bench, &mut chapter);
    pace::text(bench, &mut chapter);
    pace::many_files(bench, &mut chapter);
    trickle::measure(bench, &mut chapter);
    chapter
}
