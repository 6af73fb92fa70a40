//! What people write of a recording goes home with it, as `README.md` in its zip.

use std::io::Read;

use serde_json::{Value, json};

use crate::support::{House, Researcher};

/// HTML takes the first newline of a text field for its own.
#[tokio::test]
async fn a_text_that_begins_with_an_empty_line_keeps_it() {
    let (_house, researcher, uuid) = house().await;
    describe(&researcher, &uuid, "", "\n\nbehind").await;
    let page = researcher.get(&format!("/recording/{uuid}/")).await.text().await.expect("text");
    assert!(page.contains(" rows=\"8\">\n\n\nbehind</textarea>"), "{page}");
}

async fn describe(researcher: &Researcher, uuid: &str, title: &str, description: &str) {
    let revision = researcher.dataset(uuid).await["revision"].clone();
    let change: Value = json!({"revision": revision, "title": title, "description": description});
    let answer = researcher.request("PATCH", &format!("/api/v1/datasets/{uuid}")).json(&change).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// Each entry of a zip, in their order.
fn entries(zip: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).expect("a zip");
    let count = archive.len();
    let read = |index| {
        let (mut entry, mut text) = (archive.by_index(index).expect("an entry"), String::new());
        entry.read_to_string(&mut text).expect("whole, with the right CRC");
        (entry.name().expect("utf-8").into_owned(), text)
    };
    (0..count).map(read).collect()
}

async fn read_me(researcher: &Researcher, uuid: &str) -> Option<String> {
    let mut entries = entries(&researcher.zip(uuid).await);
    let found = entries.iter().position(|(name, _)| name == "README.md").map(|at| entries.remove(at).1);
    assert_eq!(entries, [("acc.csv".to_owned(), "1".to_owned()), ("README~2.md".to_owned(), "the watch's own".to_owned())]);
    found
}

/// A house with one recording, whose watch has sent a file of that name, too.
async fn house() -> (House, Researcher, String) {
    let house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| {
        config.storage.extensions.push("md".to_owned());
    })
    .await;
    let (researcher, watch) = (house.researcher(), house.watch("w").await);
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1").await;
    assert_eq!(watch.upload(&uuid, "README.md", "the watch's own").await["stored_as"], "README~2.md");
    (house, researcher, uuid)
}

#[tokio::test]
async fn what_is_written_stands_in_the_zip_and_what_is_cleared_does_not() {
    let (_house, researcher, uuid) = house().await;
    assert_eq!(read_me(&researcher, &uuid).await, None);
    for (title, description, expected) in [
        ("Walking", "On *gravel*.\n\n- slowly", Some("# Walking\n\nOn *gravel*.\n\n- slowly\n")),
        ("Walking", "On *sand*.\n\n- slower", Some("# Walking\n\nOn *sand*.\n\n- slower\n")),
        ("Walking", "", Some("# Walking\n")),
        ("", "Nothing <b>but</b> <script>alert(1)</script> & 東京", Some("Nothing <b>but</b> <script>alert(1)</script> & 東京\n")),
        ("", "", None),
    ] {
        describe(&researcher, &uuid, title, description).await;
        assert_eq!(read_me(&researcher, &uuid).await.as_deref(), expected, "{title:?} {description:?}");
    }
}

#[tokio::test]
async fn many_recordings_taken_home_together_bring_theirs_along() {
    let (house, researcher, uuid) = house().await;
    let watch = house.watch("x").await;
    let other = watch.new_dataset().await;
    watch.upload(&other, "b.csv", "2").await;
    describe(&researcher, &uuid, "Walking", "").await;
    let zip = researcher.get(&format!("/api/v1/datasets.zip?uuid={uuid}&uuid={other}")).await.bytes().await.expect("a zip");
    let entries = entries(&zip);
    assert_eq!(entries.len(), 4);
    assert!(entries.contains(&(format!("{uuid}/README.md"), "# Walking\n".to_owned())), "{entries:?}");
}

#[tokio::test]
async fn a_recording_without_files_has_no_zip_whatever_is_written_of_it() {
    let house = House::start().await;
    let (researcher, watch) = (house.researcher(), house.watch("w").await);
    let uuid = watch.new_dataset().await;
    describe(&researcher, &uuid, "Nothing yet", "Really").await;
    assert_eq!(researcher.get(&format!("/uploads/zips/{uuid}.zip")).await.status(), 404);
    watch.upload(&uuid, "acc.csv", "1").await;
    assert_eq!(entries(&researcher.zip(&uuid).await).len(), 2);
}

#[tokio::test]
async fn the_same_text_is_copied_and_the_zip_stays_the_same_file() {
    let (house, researcher, uuid) = house().await;
    describe(&researcher, &uuid, "Walking", "On gravel").await;
    let address = format!("/uploads/zips/{uuid}.zip");
    let before = researcher.get(&address).await.headers()["etag"].clone();
    house.change_catalog("UPDATE datasets SET zipped = 0").await;
    assert_eq!(researcher.get(&address).await.headers()["etag"], before, "it was made anew, and nothing is new");
}
