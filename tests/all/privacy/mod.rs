//! What may hold a voice or a picture is kept from researchers: every address, every way to ask, every zip that there was.

mod files;
mod walk;
mod zips;

use reqwest::{Response, StatusCode};

use crate::support::{House, WatchedDisk, sha256, until};

/// Files that are kept, and what they hold. The second of a name becomes `~2`.
const KEPT: [(&str, &str); 4] =
    [("recording_mic_7.zip", "VOICE one"), ("recording_mic_7.zip", "VOICE two"), ("voice.3gp", "VOICE three"), ("clip.3gp", "VOICE four")];
const SECOND: &str = "recording_mic_7~2.zip";
/// One that goes into quarantine.
const KEPT_HELD: (&str, &str) = ("held.3gp", "VOICE five");
/// A file for everybody, though its name speaks of the microphone, and one in quarantine.
const OPEN: &str = "mic_time_stamps_7.csv";
const OPEN_HELD: &str = "program.exe";

/// What no answer to a researcher may hold: names, digests, bytes.
fn secrets() -> Vec<String> {
    let files = KEPT.iter().chain([&KEPT_HELD]);
    files.flat_map(|(name, bytes)| [(*name).to_owned(), sha256(bytes.as_bytes()), (*bytes).to_owned()]).chain([SECOND.to_owned()]).collect()
}

/// The secrets that some bytes give away. Such a file is stored in a zip as it is, so its bytes can be seen there, too.
fn told(bytes: &[u8]) -> Vec<String> {
    let is_in = |secret: &String| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
    secrets().into_iter().filter(is_in).collect()
}

async fn told_by(answer: Response) -> (StatusCode, Vec<String>) {
    let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
    let body = answer.bytes().await.expect("a body");
    (status, told(&[headers.as_bytes(), &body].concat()))
}

fn allow(house: &House, researchers_may: bool) {
    let mut config = (*house.settings.now()).clone();
    config.privacy.researchers_may = researchers_may;
    assert_eq!(house.settings.replace(&config).changed, ["privacy.researchers_may_see"]);
}

/// A house that holds all these files. `damaged` is a recording whose last zip failed while researchers might see everything.
struct Scene {
    house: House,
    uuid: String,
    damaged: String,
}

async fn scene() -> Scene {
    let house = House::start_with(WatchedDisk::new(), |config| config.privacy.researchers_may = true).await;
    let (watch, other) = (house.watch("w").await, house.watch("x").await);
    let (uuid, damaged) = (watch.new_dataset().await, watch.new_dataset().await);
    for (name, bytes) in KEPT.iter().chain([&(OPEN, "1"), &(OPEN_HELD, "1")]) {
        watch.upload(&uuid, name, *bytes).await;
    }
    assert_eq!(other.upload(&uuid, KEPT_HELD.0, KEPT_HELD.1).await["quarantined"], true);
    watch.upload(&damaged, KEPT[2].0, KEPT[2].1).await;
    let file = house.config.storage.uploads.join("recordings").join(&damaged).join(KEPT[2].0);
    std::fs::write(file, "VOICE 3hree").expect("damaged");
    let zip = house.layout().zip(damaged.parse().expect("a uuid"));
    // A roll may have been quicker than the damage.
    let failed = async || {
        let _ = std::fs::remove_file(&zip);
        house.researcher().get(&format!("/uploads/zips/{damaged}.zip")).await.status() == StatusCode::INTERNAL_SERVER_ERROR
    };
    until("the roll has failed", failed).await;
    assert_eq!(house.researcher().zip_contents(&uuid).await.len(), KEPT.len() + 1);
    allow(&house, false);
    Scene { house, uuid, damaged }
}

impl Scene {
    /// The addresses of the files of [`KEPT`], and of nothing else.
    fn kept(&self) -> Vec<String> {
        let names = [KEPT[0].0, SECOND, KEPT[2].0, KEPT[3].0];
        names.iter().map(|name| format!("/uploads/recordings/{}/{name}", self.uuid)).collect()
    }
}
