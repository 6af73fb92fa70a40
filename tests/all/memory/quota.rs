//! A dataset takes no more files than its quota; what is there already is acknowledged still.

use std::sync::Arc;

use wearhouse::storage::RealDisk;

use crate::support::{House, Nginx, Watch, part};

async fn house(dataset_files: u64) -> House {
    House::start_with(Arc::new(RealDisk), |config| config.limits.dataset_files = dataset_files).await
}

async fn is_rejected(device: &Watch, uuid: &str, name: &str) {
    let rejected = device.try_upload(uuid, name, "3").await.expect("a response");
    assert_eq!(rejected.status(), 507);
    let text = rejected.text().await.expect("text");
    assert!(text.contains("quota of files") && text.contains("limits.dataset_files"), "{text}");
}

#[tokio::test]
async fn one_file_more_is_507_and_another_dataset_and_quarantine_are_open() {
    let house = house(2).await;
    let nginx = Nginx::start(&house).await;
    let device = house.watch("w").await;
    for device in [device.clone(), nginx.watch(&device)] {
        let uuid = device.new_dataset().await;
        device.upload(&uuid, "a.csv", "1").await;
        device.upload(&uuid, "strange.exe", "1").await;
        device.upload(&uuid, "b.csv", "2").await;
        is_rejected(&device, &uuid, "c.csv").await;
        assert_eq!(device.upload(&uuid, "a.csv", "1").await["new"], false);
        assert_eq!(device.upload(&uuid, "strange.exe", "2").await["quarantined"], true);
        device.upload(&device.new_dataset().await, "c.csv", "3").await;
        assert_eq!(house.researcher().dataset(&uuid).await["files"], 2);
    }
    assert!(house.incoming().is_empty());
}

/// Files that are being placed are not counted by the dataset's row yet.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_at_once_and_files_of_one_request_do_not_get_past_it() {
    let house = house(5).await;
    let device = house.watch("w").await;
    let uuid = device.new_dataset().await;
    let uploads = (0..16).map(|number| {
        let (device, uuid) = (device.clone(), uuid.clone());
        async move { device.try_upload(&uuid, &format!("{number}.csv"), "1").await.expect("a response").status().as_u16() }
    });
    let statuses = futures_util::future::join_all(uploads).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 507)), "{statuses:?}");

    let uuid = device.new_dataset().await;
    let files: String = (0..6).map(|number| part(&format!("name=\"file\"; filename=\"{number}.csv\""), "1")).collect();
    let request = device.request("POST", &format!("/recording/new/?uuid={uuid}"));
    let request = request.header("Content-Type", "multipart/form-data; boundary=B").body(format!("{files}--B--\r\n"));
    assert_eq!(request.send().await.expect("a response").status(), 507);
    let dataset = house.researcher().dataset(&uuid).await;
    assert_eq!((&dataset["files"], &dataset["file_list"]), (&0.into(), &serde_json::json!([])), "all of them, or none");
    assert!(house.incoming().is_empty());
}
