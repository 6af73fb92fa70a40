//! Zips under another rule than the one that they were made under.

use std::sync::Arc;

use super::{KEPT, allow, scene, told, told_by};
use crate::support::{Call, Held, House, Nginx, WatchedDisk, contents};

/// What the old zip answers to these would be the voice itself.
#[tokio::test]
async fn nobody_gets_the_rest_of_a_zip_that_holds_what_is_kept_now() {
    let scene = scene().await;
    let nginx = Nginx::start(&scene.house).await;
    let watch = scene.house.watch("y").await;
    for base in [scene.house.researcher(), nginx.researcher()] {
        for (method, headers) in [
            ("GET", vec![("Range", "bytes=1-")]),
            ("GET", vec![("Range", "bytes=-40")]),
            ("GET", vec![]),
            ("HEAD", vec![]),
            ("If-Range", vec![]),
        ] {
            allow(&scene.house, true);
            let uuid = watch.new_dataset().await;
            watch.upload(&uuid, "acc.csv", "1".repeat(500)).await;
            watch.upload(&uuid, KEPT[0].0, KEPT[0].1.repeat(100)).await;
            let address = format!("/uploads/zips/{uuid}.zip");
            let old = base.get(&address).await;
            let etag = old.headers()["etag"].to_str().expect("text").to_owned();
            let old = old.bytes().await.expect("a zip");
            assert!(!told(&old).is_empty());
            allow(&scene.house, false);
            let headers = if method == "If-Range" { vec![("Range", "bytes=1-"), ("If-Range", &*etag)] } else { headers };
            let request = base.without_power().request(if method == "HEAD" { method } else { "GET" }, &address);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = request.send().await.expect("an answer");
            let size = answer.headers()["content-length"].to_str().expect("text").parse::<usize>().expect("a number");
            assert!(size < old.len() / 2, "{method} {headers:?}: {size} of {}", old.len());
            let (status, told) = told_by(answer).await;
            assert!(status.is_success() && told.is_empty(), "{method} {headers:?}: {status} {told:?}");
            assert_eq!(contents(&base.zip(&uuid).await).len(), 1);
        }
    }
}

#[tokio::test]
async fn the_list_leads_to_no_zip_that_there_is_not() {
    let scene = scene().await;
    let watch = scene.house.watch("z").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, KEPT[0].0, KEPT[0].1).await;
    let operator = scene.house.researcher();
    for (may, leads) in [(true, true), (false, false)] {
        allow(&scene.house, may);
        let list = operator.get("/recording/list/").await.text().await.expect("text");
        assert_eq!(list.contains(&format!("/uploads/zips/{uuid}.zip")), leads, "{may}");
        assert!(list.contains(&format!("/uploads/zips/{}.zip", scene.uuid)), "{may}");
    }
}

/// Of what may not be seen it is said that it came: the recording would else go for good with something in it that nobody knows of.
#[tokio::test]
async fn what_comes_into_the_trash_is_told_to_those_who_may_not_see_it() {
    let scene = scene().await;
    let watch = scene.house.watch("z").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    let researcher = scene.house.researcher().without_power();
    assert_eq!(researcher.files(&uuid).await.len(), 1);
    let page = async || researcher.get(&format!("/recording/{uuid}/")).await.text().await.expect("text");
    assert_eq!(researcher.post(&format!("/recording/{uuid}/delete")).await, 303);
    assert!(!page().await.contains("came since"));
    watch.upload(&uuid, KEPT[0].0, KEPT[0].1).await;
    assert!(page().await.contains("Files came since"));
}

#[tokio::test]
async fn a_recording_of_kept_files_alone_has_no_zip_and_its_old_one_is_gone() {
    let scene = scene().await;
    let watch = scene.house.watch("z").await;
    allow(&scene.house, true);
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, KEPT[0].0, KEPT[0].1).await;
    let (operator, address) = (scene.house.researcher(), format!("/uploads/zips/{uuid}.zip"));
    assert_eq!(operator.zip_contents(&uuid).await.len(), 1);
    allow(&scene.house, false);
    for who in [operator.without_power(), operator.clone()] {
        for range in ["none", "bytes=1-"] {
            let answer = who.request("GET", &address).header("Range", range).send().await.expect("an answer");
            assert_eq!(answer.status(), 404);
            let text = answer.text().await.expect("text");
            assert!(text.contains("each of its files may hold a voice or a picture") && text.contains("an operator can"), "{text}");
        }
        let page = who.get(&format!("/recording/{uuid}/")).await.text().await.expect("a page");
        assert!(page.contains("none: zips are made without") && !page.contains(&address), "{page}");
    }
    assert!(!scene.house.layout().zip(uuid.parse().expect("a uuid")).exists());
    watch.upload(&uuid, "acc.csv", "1").await;
    assert_eq!(operator.zip_contents(&uuid).await.len(), 1);
}

#[tokio::test]
async fn many_recordings_go_home_without_what_is_kept_and_kept_files_alone_do_not_go() {
    let scene = scene().await;
    let operator = scene.house.researcher();
    let both = operator.get(&format!("/api/v1/datasets.zip?uuid={}&uuid={}", scene.uuid, scene.damaged)).await;
    assert_eq!(contents(&both.bytes().await.expect("a zip")).len(), 1);
    let alone = operator.get(&format!("/api/v1/datasets.zip?uuid={}", scene.damaged)).await;
    assert!(alone.status().is_client_error(), "{}", alone.status());
    assert!(alone.text().await.expect("text").contains("may hold a voice or a picture"));
}

/// A house with one recording, whose zips are made on a watched disk.
async fn watched(researchers_may: bool) -> (Arc<WatchedDisk>, House, String) {
    let disk = WatchedDisk::new();
    let house = House::start_with(disk.clone(), |config| config.privacy.researchers_may = researchers_may).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1").await;
    watch.upload(&uuid, KEPT[0].0, KEPT[0].1).await;
    (disk, house, uuid)
}

#[tokio::test]
async fn a_zip_that_was_begun_under_another_rule_is_not_taken_for_one_of_this_rule() {
    let (disk, house, uuid) = watched(true).await;
    let zip = house.layout().zip(uuid.parse().expect("a uuid"));
    let mut held = Held::at(&disk, move |call| matches!(call, Call::Rename(_, to) if *to == zip));
    let asked = tokio::spawn({
        let (operator, uuid) = (house.researcher(), uuid.clone());
        async move { operator.zip(&uuid).await }
    });
    held.reached().await;
    allow(&house, false);
    drop(held);
    asked.await.expect("no panic");
    assert_eq!(house.researcher().without_power().zip_contents(&uuid).await.len(), 1);
}

/// As after a power cut between the two: the zip is there, and nobody has written down under which rule.
#[tokio::test]
async fn a_zip_of_another_rule_that_was_published_and_not_recorded_is_not_trusted() {
    let (disk, house, uuid) = watched(false).await;
    let (operator, zip) = (house.researcher(), house.layout().zip(uuid.parse().expect("a uuid")));
    assert_eq!(operator.zip_contents(&uuid).await.len(), 1);
    allow(&house, true);
    let zips = zip.parent().expect("a folder").to_owned();
    disk.before(move |call| if *call == Call::SyncFolder(zips.clone()) { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) });
    assert_eq!(operator.get(&format!("/uploads/zips/{uuid}.zip")).await.status(), 500);
    disk.before(|_| Ok(()));
    assert!(!told(&std::fs::read(&zip).expect("a zip")).is_empty(), "the new zip is there");
    allow(&house, false);
    for range in ["bytes=1-", "none"] {
        let request = operator.without_power().request("GET", &format!("/uploads/zips/{uuid}.zip")).header("Range", range);
        let (status, told) = told_by(request.send().await.expect("an answer")).await;
        assert!(status.is_success() && told.is_empty(), "{range}: {status} {told:?}");
    }
}

/// The zip of an empty dataset was asked for under this rule, so the catalog has a rule for it and no zip.
#[tokio::test]
async fn a_first_zip_that_was_published_and_not_recorded_is_not_trusted() {
    let (disk, house, _) = watched(false).await;
    let (operator, watch) = (house.researcher(), house.watch("x").await);
    let uuid = watch.new_dataset().await;
    let address = format!("/uploads/zips/{uuid}.zip");
    assert_eq!(operator.get(&address).await.status(), 404);
    allow(&house, true);
    let zip = house.layout().zip(uuid.parse().expect("a uuid"));
    let zips = zip.parent().expect("a folder").to_owned();
    disk.before(move |call| if *call == Call::SyncFolder(zips.clone()) { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) });
    watch.upload(&uuid, KEPT[0].0, KEPT[0].1).await;
    watch.upload(&uuid, "acc.csv", "1").await;
    assert_eq!(operator.get(&address).await.status(), 500);
    assert!(!told(&std::fs::read(&zip).expect("a zip")).is_empty(), "the zip is there");
    allow(&house, false);
    // Nothing can be built, so that what is there is all that could be sent.
    let request = operator.without_power().request("GET", &address).header("Range", "bytes=1-");
    let (status, told) = told_by(request.send().await.expect("an answer")).await;
    assert!(status.is_server_error() && told.is_empty(), "{status} {told:?}");
}

/// As after an older catalog was put back from a backup.
#[tokio::test]
async fn a_catalog_that_is_older_than_a_zip_does_not_vouch_for_it() {
    let (_, house, uuid) = watched(false).await;
    let operator = house.researcher();
    assert_eq!(operator.zip_contents(&uuid).await.len(), 1);
    let mut catalog = house.catalog().await;
    let row = sqlx::query_as::<_, (String, Option<i64>)>("SELECT zip_rule, zip_modified FROM datasets WHERE uuid = $1");
    let (rule, modified) = row.bind(&uuid).fetch_one(&mut catalog).await.expect("a row");
    allow(&house, true);
    assert_eq!(operator.zip_contents(&uuid).await.len(), 2);
    let put_back = sqlx::query("UPDATE datasets SET zip_rule = $2, zip_modified = $3 WHERE uuid = $1");
    put_back.bind(&uuid).bind(rule).bind(modified).execute(&mut catalog).await.expect("put back");
    allow(&house, false);
    for range in ["bytes=1-", "none"] {
        let request = operator.without_power().request("GET", &format!("/uploads/zips/{uuid}.zip")).header("Range", range);
        let (status, told) = told_by(request.send().await.expect("an answer")).await;
        assert!(status.is_success() && told.is_empty(), "{range}: {status} {told:?}");
    }
}

#[tokio::test]
async fn another_rule_rewrites_no_zip_that_nobody_asks_for() {
    let (disk, house, uuid) = watched(true).await;
    house.researcher().zip(&uuid).await;
    disk.take();
    allow(&house, false);
    let other = house.watch("x").await;
    let another = other.new_dataset().await;
    other.upload(&another, "acc.csv", "1").await;
    house.researcher().zip(&another).await;
    let zip = house.layout().zip(uuid.parse().expect("a uuid"));
    assert!(!disk.take().iter().any(|call| matches!(call, Call::Rename(_, to) if *to == zip)), "rolled, and nobody asked");
}

/// Else a power cut could bring it back, under a rule that it does not keep.
#[tokio::test]
async fn the_removal_of_a_zip_survives_a_power_cut_before_it_is_recorded() {
    let (disk, house, _) = watched(true).await;
    let watch = house.watch("x").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, KEPT[0].0, KEPT[0].1).await;
    house.researcher().zip(&uuid).await;
    allow(&house, false);
    disk.take();
    assert_eq!(house.researcher().get(&format!("/uploads/zips/{uuid}.zip")).await.status(), 404);
    let zip = house.layout().zip(uuid.parse().expect("a uuid"));
    let calls = disk.take();
    let removed = calls.iter().position(|call| *call == Call::Remove(zip.clone())).expect("removed");
    assert!(calls[removed..].contains(&Call::SyncFolder(zip.parent().expect("a folder").to_owned())), "{calls:?}");
}
