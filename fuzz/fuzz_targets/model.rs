//! Whatever a file holds, it is a model or it is refused with a sentence; neither takes much. The first byte chooses the extension.

#![no_main]

#[allow(dead_code)]
#[path = "../../src/models/format/mod.rs"]
mod format;
#[allow(dead_code, unused_imports)]
#[path = "../../src/ids/mod.rs"]
mod ids;

use format::{Format, inspect};
use ids::FileName;
use libfuzzer_sys::fuzz_target;

/// What is kept of a file is smaller than this, as JSON.
const MOST_KEPT: usize = 128 << 10;
/// So is what is said of it.
const MOST_SAID: usize = 1 << 10;

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let format = Format::ALL[usize::from(*first) % Format::ALL.len()];
    match inspect(&FileName::from_sent(&format!("m.{}", format.as_str())), bytes) {
        Ok(facts) => {
            let kept = serde_json::to_string(&facts).expect("json");
            assert!(kept.len() < MOST_KEPT, "{kept}");
            assert_eq!(serde_json::from_str(&kept).ok(), Some(facts), "{kept}");
        }
        Err(refused) => assert!(refused.to_string().len() < MOST_SAID, "{refused}"),
    }
});
