//! The files of a dataset come in pages, on its page and as JSON.

use crate::{
    memory::{QUOTA, fill, longest_names},
    support::{House, Nginx},
};

#[tokio::test]
async fn the_files_of_a_dataset_come_in_pages_and_each_file_once() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let device = house.watch("w").await;
    let uuid = device.new_dataset().await;
    device.upload(&uuid, "last.csv", "1").await;
    device.upload(&uuid, "voice.3gp", "a voice").await;
    fill(&house.layout(), &uuid, 450).await;
    let names: Vec<_> = (1..=450).map(|number| longest_names(number).1).chain(["last.csv".to_owned()]).collect();
    for researcher in [house.researcher(), nginx.researcher()].map(|operator| operator.without_power()) {
        let (mut listed, mut sizes, mut after) = (Vec::new(), Vec::new(), String::new());
        let mut addresses = vec![format!("/recording/{uuid}/")];
        loop {
            let page = researcher.json(&format!("/api/v1/datasets/{uuid}?after={after}")).await;
            let files: Vec<_> =
                page["file_list"].as_array().expect("files").iter().map(|file| file["name"].as_str().expect("text").to_owned()).collect();
            assert_eq!((&page["files"], &page["kept_back"]), (&452.into(), &1.into()), "the counts are those of all files");
            sizes.push(files.len());
            listed.extend(files);
            let Some(next) = page["next"].as_str() else { break };
            after = next.to_owned();
            addresses.push(format!("/recording/{uuid}/?after={after}#files"));
        }
        assert_eq!((listed, sizes), (names.clone(), vec![200, 200, 51]));
        for (number, address) in addresses.iter().enumerate() {
            let page = researcher.get(address).await.text().await.expect("a page");
            assert!(page.contains("451 files") && page.contains("1 file of this recording may hold a voice"), "{page}");
            assert_eq!(page.contains("rel=\"next\""), number < 2, "{address}");
            if let Some(next) = addresses.get(number + 1) {
                assert!(page.contains(next.as_str()), "{next}");
            }
            assert!(page.contains(&names[number * 200]) && page.len() < 1 << 20, "{address}: {}", page.len());
        }
        let past_the_end = researcher.get(&format!("/recording/{uuid}/?after=z.csv")).await.text().await.expect("a page");
        assert!(past_the_end.contains("There are no further files.") && past_the_end.contains("First page"), "{past_the_end}");
        assert_eq!(researcher.get(&format!("/api/v1/datasets/{uuid}?after=..%2fx")).await.status(), 400);
    }
}

#[tokio::test]
async fn a_dataset_at_its_quota_is_a_page_and_takes_no_more_files() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let device = house.watch("w").await;
    let uuid = device.new_dataset().await;
    device.upload(&uuid, "last.csv", "1").await;
    fill(&house.layout(), &uuid, QUOTA - 1).await;
    for (researcher, device) in [(house.researcher(), device.clone()), (nginx.researcher(), nginx.watch(&device))] {
        let json = researcher.dataset(&uuid).await;
        assert_eq!((&json["files"], json["file_list"].as_array().expect("files").len()), (&QUOTA.into(), 200));
        let page = researcher.get(&format!("/recording/{uuid}/")).await.text().await.expect("a page");
        assert!(page.contains("20,000 files, sorted by name; 200 on this page") && page.len() < 1 << 20, "{}", page.len());
        assert_eq!(device.try_upload(&uuid, "more.csv", "2").await.expect("a response").status(), 507);
        assert_eq!(device.upload(&uuid, "last.csv", "1").await["new"], false);
    }
}
