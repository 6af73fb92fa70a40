//! What a wrist does, as a sensor sees it: a few swings, a tremor, and gravity.

use std::{f64::consts::TAU, fmt::Write};

use rand::{RngExt, rngs::StdRng};

/// In m/s².
pub(super) const GRAVITY: f64 = 9.81;

/// Samples a second.
const RATE: u32 = 50;

/// From one sample to the next, in ns.
const STEP: u64 = 1_000_000_000 / RATE as u64;

/// A swing: how wide, how often a second, where it begins.
type Swing = (f64, f64, f64);

/// Rows `timestamp_ns\tx\ty\tz` over so many minutes; `rest` is what the last axis shows of a wrist at rest.
pub(super) fn rows(dice: &mut StdRng, rest: f64, minutes: u32, start: u64) -> String {
    let axes: [Vec<Swing>; 3] = std::array::from_fn(|_| (0..3).map(|_| swing(dice)).collect());
    let samples = u64::from(minutes) * 60 * u64::from(RATE);
    let mut text = String::with_capacity(usize::try_from(samples * 48).unwrap_or_default());
    for sample in 0..samples {
        // A sensor's clock is never quite even.
        let time = sample * STEP + dice.random_range(0..STEP / 20);
        let _ = write!(text, "{}", start + time);
        for (axis, rest) in axes.iter().zip([0.0, 0.0, rest]) {
            let seconds = std::time::Duration::from_nanos(time).as_secs_f64();
            let moved: f64 = axis.iter().map(|(wide, often, begin)| wide * (TAU * often * seconds + begin).sin()).sum();
            let _ = write!(text, "\t{:.6}", rest + moved + dice.random_range(-0.05..0.05));
        }
        text.push('\n');
    }
    text
}

fn swing(dice: &mut StdRng) -> Swing {
    (dice.random_range(0.1..2.0), dice.random_range(0.05..2.5), dice.random_range(0.0..TAU))
}
