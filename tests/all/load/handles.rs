//! Few file handles: fewer uploads are let in, and none of those fails.

use super::crowd::{Crowd, Trickle};
use crate::support::{list, until};

#[tokio::test(flavor = "multi_thread")]
async fn with_few_file_handles_fewer_uploads_are_let_in_and_none_of_them_fails() {
    let crowd = Crowd::start(&["prlimit", "--nofile=256:256"], "", 109).await;
    let said = crowd.program.said();
    assert!(said.contains("may not open as many files") && said.contains("connections=144 uploads=108"), "{said}");
    let (address, incoming) = (crowd.program.address, crowd.folder.path().join("uploads/.house/incoming"));
    let mut uploads = Vec::new();
    for watch in &crowd.watches[..108] {
        let mut upload = Trickle::begin(address, watch, 30_000).await.expect("begun");
        upload.send(20_000).await.expect("sent");
        uploads.push(upload);
    }
    until("all have brought something", async || list(&incoming).len() == 108).await;
    let refused = Trickle::begin(address, &crowd.watches[108], 30_000).await.expect("begun").refusal().await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    // A page still comes: there are connections left.
    assert_eq!(crowd.program.researcher().get("/device/list/").await.status(), 200);
    let handles = || list(format!("/proc/{}/fd", crowd.program.pid()).as_ref()).len();
    until("files wait closed", async || handles() < 108 + 24 + 64).await;
    let ends = uploads.into_iter().map(|upload| tokio::spawn(upload.end())).collect::<Vec<_>>();
    for end in ends {
        let answer = end.await.expect("no panic").expect("an answer");
        assert!(answer.status == 200 && answer.text.contains("\"size\":30000"), "{}", answer.text);
    }
    assert!(list(&incoming).is_empty());
    assert!(!crowd.program.said().contains("Too many open files"), "{}", crowd.program.said());
}
