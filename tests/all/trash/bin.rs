//! In the trash.

use super::{delete, recording, rows, status, submit, text};
use crate::support::{House, Nginx, Researcher, contents, sha256, until};

/// Every address of a recording whose bytes it gives.
fn addresses(uuid: &str) -> [String; 4] {
    [
        format!("/uploads/recordings/{uuid}/acc.csv"),
        format!("/uploads/recordings/{uuid}/acc~2.csv"),
        format!("/uploads/tf_models/{uuid}/m.tflite"),
        format!("/uploads/zips/{uuid}.zip"),
    ]
}

async fn rest_of_zip(researcher: &Researcher, uuid: &str) -> u16 {
    let rest = researcher.request("GET", &format!("/uploads/zips/{uuid}.zip")).header("range", "bytes=5-");
    rest.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn what_is_in_the_trash_nobody_gets_and_restored_it_is_all_back() {
    let house = House::start().await;
    let watch = house.watch("kitchen").await;
    let (uuid, other) = (recording(&house, &watch).await, recording(&house, &watch).await);
    let nginx = Nginx::start(&house).await;
    let doors = [house.researcher(), nginx.researcher()];
    for researcher in &doors {
        for address in addresses(&uuid) {
            assert_eq!(status(researcher, &address).await, 200, "{address}");
        }
        assert_eq!(rest_of_zip(researcher, &uuid).await, 206);
    }
    delete(&house.researcher(), &uuid).await;
    for researcher in &doors {
        for address in addresses(&uuid) {
            assert_eq!(status(researcher, &address).await, 404, "{address}");
        }
        assert_eq!(rest_of_zip(researcher, &uuid).await, 404, "nor the rest of a download");
        assert_eq!(status(researcher, &addresses(&other)[3]).await, 200);
    }
    let researcher = house.researcher();
    for list in ["/recording/list/", "/api/v1/datasets", "/recording/list.csv"] {
        let list = text(&researcher, list).await;
        assert!(!list.contains(&uuid) && list.contains(&other));
    }
    let both = researcher.get(&format!("/api/v1/datasets.zip?uuid={uuid}&uuid={other}")).await.bytes().await.expect("a zip");
    assert!(contents(&both).iter().all(|(name, _)| name.starts_with(&other)) && contents(&both).len() == 3);
    assert_eq!(status(&researcher, &format!("/api/v1/datasets.zip?uuid={uuid}")).await, 404);
    let page = text(&researcher, &format!("/recording/{uuid}/")).await;
    assert!(page.contains("lies in the <a href=\"/trash/\">trash</a>") && page.contains("/restore\"") && !page.contains("/uploads/"));
    let front = text(&researcher, "/").await;
    assert!(front.contains("<strong>1</strong> recording\n") && front.contains("3 files"), "the trash is not counted");

    assert_eq!(researcher.post(&format!("/recording/{uuid}/restore")).await, 303);
    for researcher in &doors {
        for address in addresses(&uuid) {
            assert_eq!(status(researcher, &address).await, 200, "{address}");
        }
    }
    let expected = [("acc.csv", "1"), ("acc~2.csv", "22"), ("tf_models/m.tflite", "333")];
    assert_eq!(researcher.zip_contents(&uuid).await, expected.map(|(name, bytes)| (name.to_owned(), sha256(bytes.as_bytes()))));
    assert!(text(&researcher, "/recording/list/").await.contains(&uuid) && !text(&researcher, "/trash/").await.contains(&uuid));
    let trail = format!("SELECT who || ' ' || action AS c FROM audit WHERE subject = '{uuid}' AND action <> 'downloaded' ORDER BY number");
    assert_eq!(rows(&house, &trail).await, ["admin deleted", "admin restored"]);
}

#[tokio::test]
async fn what_comes_to_one_in_the_trash_is_kept_and_joins_it_there() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = recording(&house, &watch).await;
    let researcher = house.researcher();
    delete(&researcher, &uuid).await;
    assert!(!text(&researcher, &format!("/recording/{uuid}/")).await.contains("came since"));
    let receipt = watch.upload(&uuid, "late.csv", "5").await;
    assert_eq!((receipt["stored_as"].as_str(), receipt.get("quarantined")), (Some("late.csv"), None));
    assert!(text(&researcher, &format!("/recording/{uuid}/")).await.contains("Files came since"));
    assert!(text(&researcher, "/trash/").await.contains("something came since"));
    assert_eq!(researcher.json("/api/v1/trash").await["datasets"][0]["came_since"], true);
    assert_eq!(status(&researcher, &format!("/uploads/recordings/{uuid}/late.csv")).await, 404);
    // Nobody rolls it: when one that came later was rolled, its zip is the one of before.
    let other = watch.new_dataset().await;
    watch.upload(&other, "a.csv", "1").await;
    let rolled = house.layout().zip(other.parse().expect("a uuid"));
    until("the other one is rolled", async || rolled.exists()).await;
    let zip = std::fs::read(house.layout().zip(uuid.parse().expect("a uuid"))).expect("a zip");
    assert_eq!(contents(&zip).len(), 3);
    assert_eq!(rows(&house, "SELECT uuid AS c FROM datasets WHERE changes > 3 AND zipped < changes").await, std::slice::from_ref(&uuid));
    // A whole time from what came last.
    house.change_catalog("UPDATE datasets SET deleted_at = 1").await;
    let house = house.restart_with(|_| {}).await;
    let researcher = house.researcher();
    let found = researcher.json("/api/v1/trash").await["datasets"][0].clone();
    let goes_in = found["goes_at"].as_i64().expect("a time") - jiff_now();
    assert!(goes_in > 29 * 86_400_000 && goes_in <= 30 * 86_400_000, "{found}");
    assert_eq!(researcher.post(&format!("/api/v1/datasets/{uuid}/restore")).await, 204);
    assert_eq!(researcher.zip_contents(&uuid).await.len(), 4);
}

fn jiff_now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[tokio::test]
async fn many_are_deleted_at_once_from_the_list_and_the_button_takes_two_clicks() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let (first, second, third) = (watch.new_dataset().await, watch.new_dataset().await, watch.new_dataset().await);
    let researcher = house.researcher();
    for (page, button) in [("/recording/list/".to_owned(), "value=\"delete\""), (format!("/recording/{first}/"), "/delete\"")] {
        let page = text(&researcher, &page).await;
        let before = page.split(button).next().filter(|before| before.len() < page.len()).expect("the button");
        assert_eq!(before.matches("<details").count(), before.matches("</details").count() + 1);
    }
    submit(&researcher, "/recording/bulk", &format!("act=delete&uuid={first}&uuid={second}")).await;
    let device = rows(&house, "SELECT id AS c FROM devices").await.remove(0);
    let linked = format!("<a href=\"/device/{device}/\"><bdi>w</bdi></a>");
    assert_eq!(text(&researcher, "/trash/").await.matches(&linked).count(), 2);
    let trash = researcher.json("/api/v1/trash").await;
    let found: Vec<_> = trash["datasets"].as_array().expect("datasets").iter().map(|dataset| dataset["uuid"].clone()).collect();
    assert_eq!(found, [second.as_str(), first.as_str()]);
    assert!(text(&researcher, "/recording/list/").await.contains(&third));
    assert_eq!(rows(&house, "SELECT COUNT(*) AS c FROM audit WHERE action = 'deleted' AND who = 'admin'").await, ["2"]);
}

#[tokio::test]
async fn what_is_not_there_is_neither_deleted_nor_restored_and_twice_is_once() {
    let house = House::start().await;
    let uuid = house.watch("w").await.new_dataset().await;
    let researcher = house.researcher();
    let nobodys = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let answer = researcher.request("DELETE", &format!("/api/v1/datasets/{nobodys}")).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), researcher.post(&format!("/api/v1/datasets/{nobodys}/restore")).await.as_u16()), (404, 404));
    for _ in 0..2 {
        delete(&researcher, &uuid).await;
    }
    for _ in 0..2 {
        assert_eq!(researcher.post(&format!("/trash/{uuid}/restore")).await, 303);
    }
    assert_eq!(rows(&house, "SELECT COUNT(*) AS c FROM audit WHERE action IN ('deleted', 'restored')").await, ["2"]);
    assert_eq!(status(&researcher, "/trash/?after=nonsense").await, 400);
}

#[tokio::test]
async fn ten_thousand_in_the_trash_are_all_on_one_page_each() {
    let house = House::start().await;
    house.watch("w").await;
    house
        .change_catalog(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
             INSERT INTO datasets (uuid, device, created_at, updated_at, number, deleted_at, deleted_by, described) \
             SELECT printf('00000000-0000-4000-8000-%012d', i), (SELECT id FROM devices), i, i, i, \
             CAST(strftime('%s') AS BIGINT) * 1000 - i / 3, 'admin', 0 FROM n",
        )
        .await;
    let researcher = house.researcher();
    let (mut found, mut next) = (std::collections::HashSet::new(), String::new());
    loop {
        let page = researcher.json(&format!("/api/v1/trash?after={next}")).await;
        let datasets = page["datasets"].as_array().expect("datasets");
        assert_eq!((datasets.len(), &page["total"]), (50, &10_000.into()));
        assert!(datasets.iter().all(|dataset| found.insert(dataset["uuid"].as_str().expect("a uuid").to_owned())), "twice");
        let Some(key) = page["next"].as_str() else { break };
        key.clone_into(&mut next);
    }
    assert_eq!(found.len(), 10_000);
    let page = text(&researcher, "/trash/").await;
    assert_eq!((page.matches("class=\"uuid\"").count(), page.contains("10000 recordings")), (50, true));
    let link = page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
    assert!(text(&researcher, link).await.contains("First page"));
}
