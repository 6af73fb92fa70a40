//! There is no way around the gate, and nginx and the server say the same to each that was thought of.

use std::{fs, os::unix::fs::symlink};

use crate::support::{House, Nginx, Researcher, raw_get};

/// Stands in every file that nobody may get.
const SECRET: &str = "not for anybody";
const LINKED: &str = "11111111-1111-4111-8111-111111111111";

/// A house with one file and its zip, and what a careless or evil person may have laid into `uploads/`.
async fn house_with_traps() -> (House, String) {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "whole").await;
    house.researcher().zip(&uuid).await;
    watch.upload(LINKED, "a.csv", "whole").await;
    house.researcher().zip(LINKED).await;

    let uploads = &house.config.storage.uploads;
    let outside = house.folder.path().join("outside");
    fs::create_dir(&outside).expect("a folder");
    fs::write(outside.join("x.csv"), SECRET).expect("a file");
    let dataset = uploads.join("recordings").join(&uuid);
    for name in [".hidden", "a.csv.", "b.csv\n", "c\\d.csv"] {
        fs::write(dataset.join(name), SECRET).expect("a file");
    }
    fs::write(uploads.join(".house/x.csv"), SECRET).expect("a file");
    fs::write(uploads.join("x.csv"), SECRET).expect("a file");
    fs::create_dir(dataset.join("folder.csv")).expect("a folder");
    symlink(outside.join("x.csv"), dataset.join("link.csv")).expect("a link");
    symlink("a.csv", dataset.join("near.csv")).expect("a link");
    fs::rename(uploads.join("recordings").join(LINKED), outside.join("dataset")).expect("moved");
    symlink(&outside, uploads.join("recordings").join(LINKED)).expect("a link");
    fs::remove_file(uploads.join(format!("zips/{LINKED}.zip"))).expect("there");
    symlink(outside.join("x.csv"), uploads.join(format!("zips/{LINKED}.zip"))).expect("a link");
    (house, uuid)
}

/// Each way around, and what it is worth to somebody with a good password: in nginx, and in the server.
const WAYS: &[(&str, u16, u16)] = &[
    // The addresses themselves, so that a gate that is always shut is found out.
    ("/uploads/recordings/{}/a.csv", 200, 200),
    ("/uploads/recordings/{}/a.csv?x=/../y", 200, 200),
    ("/uploads/recordings/{}/%61.csv", 200, 200),
    ("/uploads/zips/{}.zip", 200, 200),
    // What is not there.
    ("/uploads/recordings/{}/missing.csv", 404, 404),
    ("/uploads/recordings/{}/folder.csv", 404, 404),
    ("/uploads/recordings/22222222-2222-4222-8222-222222222222/a.csv", 404, 404),
    ("/uploads/zips/22222222-2222-4222-8222-222222222222.zip", 404, 404),
    ("/nowhere", 404, 404),
    ("/nowhere/", 404, 404),
    // Encoded slashes and letters.
    ("/uploads/recordings%2f{}/a.csv", 403, 403),
    ("/uploads/recordings/{}%2Fa.csv", 403, 403),
    ("/uploads%2frecordings/{}/a.csv", 403, 403),
    ("/uploads/zips%2F{}.zip", 403, 403),
    ("/uploads/zips/{}%2ezip", 403, 403),
    ("/%75ploads/recordings/{}/a.csv", 403, 403),
    ("/uploads/%72ecordings/{}/a.csv", 403, 403),
    ("/%2fuploads/zips/{}.zip", 403, 403),
    // Up and down again.
    ("/uploads/recordings/{}/../{}/a.csv", 403, 403),
    ("/uploads/recordings/{}/%2e%2e/{}/a.csv", 403, 403),
    ("/uploads/recordings/{}/.%2E/{}/a.csv", 403, 403),
    ("/uploads/recordings/{}/x/../a.csv", 403, 403),
    ("/uploads/zips/../recordings/{}/a.csv", 403, 403),
    ("/static/../uploads/recordings/{}/a.csv", 403, 403),
    ("/static/../uploads/zips/{}.zip", 403, 403),
    ("/static/%2e%2e/uploads/zips/{}.zip", 403, 403),
    ("/uploads/recordings/{}/../../x.csv", 403, 403),
    ("/uploads/recordings/{}/../../.house/x.csv", 403, 403),
    ("/uploads/recordings/{}/..%2f..%2f.house/x.csv", 403, 403),
    ("/uploads/recordings/../.house/catalog.sqlite", 403, 403),
    // The root has nothing above it: nginx takes this for no address at all.
    ("/../uploads/zips/{}.zip", 400, 403),
    ("/uploads/../../uploads/zips/{}.zip", 400, 403),
    // Slashes and dots too many.
    ("//uploads/zips/{}.zip", 403, 403),
    ("/uploads//zips/{}.zip", 403, 403),
    ("/uploads/recordings/{}//a.csv", 403, 403),
    ("/./uploads/zips/{}.zip", 403, 403),
    ("/uploads/./zips/{}.zip", 403, 403),
    ("/uploads/recordings/{}/./a.csv", 403, 403),
    ("/uploads/recordings/{}/a.csv/", 403, 403),
    ("/uploads/recordings/{}/a.csv/.", 403, 403),
    ("/uploads/recordings/{}/a.csv.", 403, 403),
    ("/uploads/zips/{}.zip/", 403, 403),
    ("/uploads/zips/{}.zip.", 403, 403),
    // Folders, dot files, the house's own.
    ("/uploads", 403, 403),
    ("/uploads/", 403, 403),
    ("/uploads/x.csv", 403, 403),
    ("/uploads/recordings/", 403, 403),
    ("/uploads/recordings/{}", 403, 403),
    ("/uploads/recordings/{}/", 403, 403),
    ("/uploads/recordings/{}/.hidden", 403, 403),
    ("/uploads/recordings/{}/%2ehidden", 403, 403),
    ("/uploads/.house", 403, 403),
    ("/uploads/.house/", 403, 403),
    ("/uploads/.house/x.csv", 403, 403),
    ("/uploads/.house/catalog.sqlite", 403, 403),
    ("/uploads/%2ehouse/x.csv", 403, 403),
    // Another case.
    ("/UPLOADS/zips/{}.zip", 403, 403),
    ("/uploads/Zips/{}.zip", 403, 403),
    ("/uploads/zips/{}.ZIP", 403, 403),
    ("/uploads/zips/{upper}.zip", 403, 403),
    ("/uploads/recordings/{upper}/a.csv", 403, 403),
    // The other folder, and characters that no name keeps. nginx takes a NUL for no address at all.
    ("/uploads/tf_models/{}/a.csv", 403, 403),
    ("/uploads/recordings/{}/m.tflite", 403, 403),
    ("/uploads/recordings/{}/c%5cd.csv", 403, 403),
    ("/uploads/recordings/{}/b.csv%0a", 403, 403),
    ("/uploads/zips/{}.zip%0a", 403, 403),
    ("/uploads/recordings/{}/%ff.csv", 403, 403),
    ("/uploads/recordings/{}/a.csv%00", 400, 403),
    ("/uploads/zips/{}.zip%00", 400, 403),
    ("/uploads/zips/{}.zip%00.zip", 400, 403),
    // Links: to a file elsewhere, to one beside it, in place of a zip, and to a folder, behind which nginx finds nothing.
    ("/uploads/recordings/{}/link.csv", 403, 403),
    ("/uploads/recordings/{}/near.csv", 403, 403),
    ("/uploads/zips/{linked}.zip", 403, 403),
    ("/uploads/recordings/{linked}/x.csv", 403, 403),
];

fn spell(way: &str, uuid: &str) -> String {
    way.replace("{}", uuid).replace("{upper}", &uuid.to_uppercase()).replace("{linked}", LINKED)
}

#[tokio::test]
async fn nginx_and_the_server_give_the_same_verdict_on_every_way_around() {
    let (house, uuid) = house_with_traps().await;
    let nginx = Nginx::start(&house).await;
    for (way, through_nginx, without) in WAYS {
        let path = spell(way, &uuid);
        for (address, expected) in [(nginx.address, *through_nginx), (house.address, *without)] {
            let answer = raw_get(address, path.as_bytes(), true).await;
            assert_eq!(answer.status, expected, "{path} at {address}: {}", answer.text);
            assert!(!answer.text.contains(SECRET), "{path}");
            assert!(expected == 200 || !answer.text.contains("whole"), "{path}");
            assert!(expected == 200 || !answer.text.contains("\r\nlocation:"), "{path}");
        }
    }
}

#[tokio::test]
async fn http_2_is_no_way_around_either() {
    let (house, uuid) = house_with_traps().await;
    let nginx = Nginx::start_tls(&house).await;
    let addresses: Vec<_> = WAYS.iter().map(|(way, ..)| format!("{}{}", nginx.base(), spell(way, &uuid))).collect();
    let login = format!("admin:{}", Researcher::PASSWORD);
    let options = ["--http2", "--path-as-is", "-g", "-u", &login];
    let answers = nginx.tls().curl(&[options.to_vec(), addresses.iter().map(String::as_str).collect()].concat()).await;
    let statuses: Vec<u16> = answers.split("HTTP/2 ").skip(1).map(|answer| answer[..3].parse().expect("a status")).collect();
    let expected: Vec<u16> = WAYS.iter().map(|(_, through_nginx, _)| *through_nginx).collect();
    assert_eq!(statuses, expected);
    assert!(!answers.contains(SECRET));
}

#[tokio::test]
async fn without_a_password_no_way_leads_in() {
    let (house, uuid) = house_with_traps().await;
    let nginx = Nginx::start(&house).await;
    for (way, ..) in WAYS {
        let path = spell(way, &uuid);
        for address in [nginx.address, house.address] {
            let answer = raw_get(address, path.as_bytes(), false).await;
            assert!(matches!(answer.status, 400 | 401 | 403 | 404), "{path} at {address}: {}", answer.text);
            assert!(!answer.text.contains(SECRET) && !answer.text.contains("whole"), "{path}");
        }
    }
    let file = format!("/uploads/recordings/{uuid}/a.csv");
    for address in [nginx.address, house.address] {
        let answer = raw_get(address, file.as_bytes(), false).await;
        assert_eq!(answer.status, 401);
        assert!(answer.text.to_lowercase().contains("www-authenticate: basic realm=\"wearhouse\""), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_address_with_raw_bytes_is_judged_like_any_other() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "ü.csv", "whole").await;
    let nginx = Nginx::start(&house).await;
    let path = |text: &str| text.replace("{}", &uuid).into_bytes();
    for (path, expected) in [
        (path("/uploads/recordings/{}/ü.csv"), 200),
        (path("/uploads/recordings/{}/x/../ü.csv"), 403),
        ([path("/uploads/recordings/{}/%C3%BC.csv?"), vec![0xff]].concat(), 200),
        ([path("/uploads/recordings/{}/x/../%C3%BC.csv?"), vec![0xff]].concat(), 403),
        ([path("/uploads/recordings/{}/x"), vec![0xff], path("/../%C3%BC.csv")].concat(), 403),
        ([path("/uploads/zips//{}.zip?"), vec![0xff]].concat(), 403),
        // No question is lost: the zip has been rolled.
        ([path("/uploads/zips/{}.zip?"), vec![0xff]].concat(), 200),
    ] {
        let answer = raw_get(nginx.address, &path, true).await;
        assert_eq!(answer.status, expected, "{}: {}", String::from_utf8_lossy(&path), answer.text);
    }
}

#[tokio::test]
async fn the_question_itself_can_be_asked_by_nginx_alone() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    for path in ["/auth", "/auth?x", "//auth", "/./auth", "/%61uth", "/x/../auth", "/AUTH", "/auth/"] {
        let status = raw_get(nginx.address, path.as_bytes(), true).await.status;
        assert_eq!(status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_page_takes_what_comes_from_its_own_site_only() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let researcher = nginx.researcher();
    researcher.poll("w").await;
    let id = researcher.request_of("w").await["id"].as_str().expect("an id").to_owned();
    let post = |origin: String| researcher.request("POST", &format!("/api/v1/requests/{id}/grant")).header("Origin", origin).send();
    assert_eq!(post("http://evil.example".to_owned()).await.expect("an answer").status(), 403);
    assert_eq!(post(nginx.base()).await.expect("an answer").status(), 204);
}
