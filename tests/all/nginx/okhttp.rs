//! The app in the field and nginx's TLS, with a real OkHttp: it comes in by HTTP/2, and a redirect costs it nothing.

use tempfile::TempDir;

use crate::support::{FieldApp, House, Nginx, sha256};

const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
/// More than the buffers between two programs hold.
const LARGE: usize = 12 << 20;

/// The storage of a watch with a token and two files of one run.
fn wrist(token: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let run = folder.path().join("run_1");
    std::fs::create_dir(&run).expect("a folder");
    for (name, bytes) in [("uuid", UUID.into()), ("a.csv", vec![b'1'; LARGE]), ("b.csv", b"2".to_vec())] {
        std::fs::write(run.join(name), bytes).expect("written");
    }
    std::fs::write(folder.path().join("token"), token).expect("written");
    folder
}

/// The files that it still has.
fn left(wrist: &TempDir) -> usize {
    ["a.csv", "b.csv"].iter().filter(|name| wrist.path().join("run_1").join(name).exists()).count()
}

#[tokio::test]
async fn the_app_uploads_through_tls_and_keeps_what_is_refused() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let options = nginx.tls().java_options();
    let (good, bad) = (wrist(&house.watch("w").await.token), wrist("a token of nobody"));
    // nginx ends a stream of HTTP/2 behind its answer, and OkHttp forgets the answer if it was still sending: that is a 0.
    for (wrist, statuses, files) in [(&bad, [vec![401], vec![0]], 2), (&good, [vec![200, 200], vec![200, 200]], 0)] {
        let app = FieldApp::start_with(&options, &nginx.base(), wrist.path()).finish().await;
        assert!(statuses.contains(&app.statuses()), "{:?}", app.steps("upload"));
        assert_eq!((app.posts(), left(wrist)), (statuses[0].len(), files), "{:?}", app.steps("upload"));
    }
    let expected = [("a.csv".to_owned(), sha256(&vec![b'1'; LARGE])), ("b.csv".to_owned(), sha256(b"2"))];
    assert_eq!(house.researcher().files(UUID).await, expected);
}

#[tokio::test]
async fn the_app_keeps_its_files_when_it_is_sent_to_https() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let wrist = wrist(&house.watch("w").await.token);
    let app = FieldApp::start_with(&nginx.tls().java_options(), &nginx.tls().http_base(), wrist.path()).finish().await;
    assert_eq!((app.statuses(), app.posts(), left(&wrist)), (vec![308], 1, 2), "{:?}", app.steps("upload"));
}

#[tokio::test]
async fn the_app_keeps_its_files_from_a_server_that_it_cannot_check() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let wrist = wrist(&house.watch("w").await.token);
    let app = FieldApp::start_with(&[], &nginx.base(), wrist.path()).finish().await;
    assert_eq!((app.statuses(), app.posts(), left(&wrist)), (vec![0], 0, 2), "{:?}", app.steps("upload"));
}
