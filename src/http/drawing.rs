//! Drawings that the server makes: bars for what came in, and the squares of a QR code. Geometry only; how it looks says the
//! style sheet.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Height of the tallest bar.
const HEIGHT: u64 = 80;
/// Width of a bar with the space behind it.
const STEP: u64 = 22;

/// Bars beside each other, the tallest as high as the drawing.
pub struct Chart {
    /// The bars, from the left.
    pub bars: Vec<Bar>,
    /// Of the whole drawing.
    pub width: u64,
    /// Of the whole drawing, without the labels.
    pub height: u64,
}

/// One bar.
pub struct Bar {
    /// What stands below it.
    pub label: String,
    /// What it means, as a sentence.
    pub title: String,
    /// Its left edge.
    pub x: u64,
    /// Its upper edge.
    pub y: u64,
    /// From there down.
    pub height: u64,
}

impl Chart {
    /// Draws values, each with its label and what it means. Whatever is more than nothing can be seen.
    pub fn of(values: impl IntoIterator<Item = (u64, String, String)>) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        let most = values.iter().map(|(value, _, _)| *value).max().unwrap_or(0).max(1);
        let draw = |(at, (value, label, title)): (usize, (u64, String, String))| {
            let height = u64::try_from(u128::from(value) * u128::from(HEIGHT) / u128::from(most)).unwrap_or(HEIGHT);
            let height = if value > 0 { height.max(2) } else { 0 };
            Bar { label, title, x: at as u64 * STEP, y: HEIGHT - height, height }
        };
        let width = values.len() as u64 * STEP;
        Self { bars: values.into_iter().enumerate().map(draw).collect(), width, height: HEIGHT }
    }
}

/// The dark squares of a text's QR code (ISO/IEC 18004).
pub struct Squares {
    /// Squares on a side, the quiet zone of four included.
    pub side: usize,
    /// The path that covers the dark ones.
    pub path: String,
}

impl Squares {
    /// Draws a text; `None` where it is too long.
    pub fn of(text: &str) -> Option<Self> {
        const QUIET: usize = 4;
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let (width, mut path) = (code.width(), String::new());
        for (at, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        }
        Some(Self { side: width + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_values() {
        let bars = Chart::of([
            (0, String::new(), String::new()),
            (50, String::new(), String::new()),
            (100, String::new(), String::new()),
            (1_000_000, String::new(), String::new()),
        ]);
        assert_eq!(bars.bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [0, 2, 2, HEIGHT]);
        assert!(bars.bars.iter().all(|bar| bar.y + bar.height == HEIGHT));
        assert_eq!(Chart::of([]).width, 0);
    }

    #[test]
    fn a_name_of_a_server_has_a_code() {
        let squares = Squares::of("study.example.org").expect("short");
        assert_eq!(squares.side, 25 + 8);
        assert!(squares.path.starts_with("M4 4h1v1h-1z"), "the first finder pattern");
        assert!(Squares::of(&"x".repeat(5000)).is_none());
    }
}
