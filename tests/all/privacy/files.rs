//! Files one by one, and lists of them.

use super::{KEPT_HELD, OPEN, OPEN_HELD, scene, told_by};
use crate::support::{House, Nginx, WatchedDisk, until};

#[tokio::test]
async fn a_kept_file_is_refused_by_the_server_by_the_gate_and_by_nginx() {
    let scene = scene().await;
    let nginx = Nginx::start(&scene.house).await;
    let absent = format!("/uploads/recordings/{}/absent.3gp", scene.uuid);
    let open = format!("/uploads/recordings/{}/{OPEN}", scene.uuid);
    for operator in [scene.house.researcher(), nginx.researcher()] {
        let researcher = operator.without_power();
        for address in scene.kept().iter().chain([&absent]) {
            for (method, range) in [("GET", "bytes=0-"), ("GET", "bytes=2-"), ("GET", "none"), ("HEAD", "none")] {
                let answer = researcher.request(method, address).header("Range", range).send().await.expect("an answer");
                assert_eq!(answer.status(), 403, "{method} {range} {address}");
                assert_eq!(told_by(answer).await.1, [""; 0]);
            }
            assert_eq!(operator.get(address).await.status(), if *address == absent { 404 } else { 200 }, "{address}");
        }
        assert_eq!(researcher.get(&open).await.status(), 200);
    }
    let researcher = scene.house.researcher().without_power();
    for (address, expected) in scene.kept().iter().map(|address| (address, 403)).chain([(&absent, 403), (&open, 204)]) {
        let verdict = researcher.request("GET", "/auth").header("X-Original-URI", address).send().await.expect("an answer");
        assert_eq!(verdict.status(), expected, "{address}");
        let text = verdict.text().await.expect("text");
        assert_eq!(text.contains("kept from researchers; ask an operator"), expected == 403, "{text}");
    }
}

#[tokio::test]
async fn lists_say_how_many_files_are_kept_back() {
    let scene = scene().await;
    let (operator, researcher) = (scene.house.researcher(), scene.house.researcher().without_power());
    let page = format!("/recording/{}/", scene.uuid);
    for (who, kept_back, listed, held) in [(&researcher, 4, 1, 1), (&operator, 0, 5, 2)] {
        let dataset = who.dataset(&scene.uuid).await;
        assert_eq!((&dataset["kept_back"], dataset["file_list"].as_array().expect("files").len()), (&kept_back.into(), listed));
        let quarantine = who.json("/api/v1/quarantine").await;
        assert_eq!((&quarantine["kept_back"], quarantine["files"].as_array().expect("files").len()), (&(2 - held).into(), held));
        assert_eq!(quarantine["total"], 2);
        let (page, quarantine) = (who.get(&page).await.text().await, who.get("/quarantine/").await.text().await);
        let (page, quarantine) = (page.expect("a page"), quarantine.expect("a page"));
        assert!(page.contains("without the 4 files that may hold a voice"), "{page}");
        assert_eq!(page.contains("4 files of this recording may hold a voice or a picture and are kept from"), kept_back == 4, "{page}");
        assert_eq!(quarantine.contains("1 file in quarantine may hold a voice or a picture and is not listed"), kept_back == 4);
        assert!(page.contains(OPEN) && quarantine.contains(OPEN_HELD));
    }
    assert_eq!(operator.dataset(&scene.uuid).await["zip_is_fresh"], false, "the old zip holds what is kept now");
    assert_eq!(operator.zip_contents(&scene.uuid).await.len(), 1, "one zip for everybody");
    assert_eq!(operator.dataset(&scene.uuid).await["zip_is_fresh"], true);
}

#[tokio::test]
async fn a_researcher_does_not_decide_over_what_is_kept_in_quarantine() {
    let scene = scene().await;
    let (operator, researcher) = (scene.house.researcher(), scene.house.researcher().without_power());
    let held = operator.json("/api/v1/quarantine").await["files"].as_array().expect("files").clone();
    let id = held.iter().find(|file| file["sent_name"] == KEPT_HELD.0).expect("there")["id"].as_str().expect("an id").to_owned();
    for decision in ["release", "discard"] {
        for address in [format!("/api/v1/quarantine/{id}/{decision}"), format!("/quarantine/{id}/{decision}")] {
            assert_eq!(researcher.post(&address).await, 403, "{address}");
        }
    }
    assert_eq!(operator.post(&format!("/api/v1/quarantine/{id}/release")).await, 204);
    assert_eq!(researcher.dataset(&scene.uuid).await["kept_back"], 5);
}

/// What was read off it stands beside it in the catalog.
#[tokio::test]
async fn a_kept_meta_info_is_shown_to_nobody_who_may_not_have_the_file() {
    let house = House::start_with(WatchedDisk::new(), |config| config.privacy.sensitive = vec!["metaInfo*".to_owned()]).await;
    let (operator, researcher) = (house.researcher(), house.researcher().without_power());
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "metaInfo_7.json", r#"{"alias": "secretive"}"#).await;
    until("it is read", async || operator.dataset(&uuid).await["meta_info"].is_string()).await;
    assert!(researcher.dataset(&uuid).await["meta_info"].is_null());
    let page = |who: crate::support::Researcher| {
        let path = format!("/recording/{uuid}/");
        async move { who.get(&path).await.text().await.expect("a page") }
    };
    assert!(page(operator).await.contains("secretive") && !page(researcher).await.contains("secretive"));
}
