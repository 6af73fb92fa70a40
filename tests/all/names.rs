//! Names, from the wire to the zip: two different files never share a file or an entry, also where a file system folds case.

use std::collections::HashSet;

use proptest::{prelude::*, test_runner::TestRunner};
use wearhouse::ids::FileName;

use crate::support::{House, contents, sha256};

/// Names that like to collide: one word in several cases, forms and disguises.
fn names() -> impl Strategy<Value = Vec<String>> {
    let stem = prop::sample::select(vec![
        "acc",
        "ACC",
        "a:c",
        "a*c",
        "a_c",
        "acc.",
        "..acc",
        "e\u{301}",
        "é",
        "É",
        "straße",
        "STRASSE",
        "con",
        "README",
        "tf_models",
        "acc~2",
    ]);
    let name = (stem, prop::sample::select(vec![".csv", ".CSV", ".tflite", ".zip", ""]))
        .prop_map(|(stem, extension)| format!("{stem}{extension}"));
    prop::collection::vec(name, 1..12)
}

#[test]
fn different_files_never_share_a_file_or_an_entry() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let house = runtime.block_on(House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| {
        config.limits.device_per_minute = 1_000_000;
        config.storage.extensions.push(String::new());
    }));
    let watch = runtime.block_on(house.watch("w"));
    let mut runner = TestRunner::new(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() });
    let result = runner.run(&names(), |names| {
        let zip = runtime.block_on(async {
            let uuid = watch.new_dataset().await;
            for (index, name) in names.iter().enumerate() {
                watch.upload(&uuid, name, index.to_string()).await;
            }
            house.researcher().zip(&uuid).await
        });
        let entries = contents(&zip);
        let digests: HashSet<_> = entries.iter().map(|(_, digest)| digest.clone()).collect();
        let expected: HashSet<_> = (0..names.len()).map(|index| sha256(index.to_string().as_bytes())).collect();
        prop_assert_eq!(digests, expected, "a file is missing");
        let folded: HashSet<_> = entries.iter().map(|(name, _)| FileName::from_sent(name).folded()).collect();
        prop_assert_eq!(folded.len(), names.len(), "two entries are one on a folding file system");
        prop_assert!(!folded.contains("readme.md") && !folded.contains("tf_models"));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
