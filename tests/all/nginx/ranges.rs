//! Parts of files: a download begun with nginx can be finished without it, and never mixes two generations.

use reqwest::{Response, StatusCode};

use crate::support::{Call, House, Nginx, Researcher, WatchedDisk, contents};

async fn get(researcher: &Researcher, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = headers.iter().fold(researcher.request("GET", path), |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

fn text<'a>(answer: &'a Response, header: &str) -> Option<&'a str> {
    answer.headers().get(header).map(|value| value.to_str().expect("text"))
}

#[tokio::test]
async fn nginx_and_the_server_answer_every_part_alike() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "0123456789").await;
    for path in [format!("/uploads/recordings/{uuid}/a.csv"), format!("/uploads/zips/{uuid}.zip")] {
        let (direct, through) = (house.researcher(), nginx.researcher());
        let whole = get(&direct, &path, &[]).await;
        let (etag, modified) = (text(&whole, "etag").expect("an ETag"), text(&whole, "last-modified").expect("a date"));
        let weak = format!("W/{etag}");
        for (headers, expected) in [
            (vec![], 200),
            (vec![("Range", "bytes=2-5")], 206),
            (vec![("Range", "bytes=5-")], 206),
            (vec![("Range", "bytes=-3")], 206),
            (vec![("Range", "bytes=-100000")], 206),
            (vec![("Range", "bytes=0-100000")], 206),
            (vec![("Range", "bytes=100000-")], 416),
            (vec![("Range", "bytes=0-1,4-5")], 200),
            (vec![("Range", "bytes=0-5,4-5")], 200),
            (vec![("Range", "lines=1-2")], 200),
            (vec![("Range", "bytes=5-"), ("If-Range", etag)], 206),
            (vec![("Range", "bytes=5-"), ("If-Range", modified)], 206),
            (vec![("Range", "bytes=5-"), ("If-Range", &weak)], 200),
            (vec![("Range", "bytes=5-"), ("If-Range", "\"another\"")], 200),
            (vec![("Range", "bytes=5-"), ("If-Range", "Thu, 01 Jan 1970 00:00:00 GMT")], 200),
            (vec![("If-None-Match", etag)], 304),
            (vec![("If-None-Match", "\"another\"")], 200),
        ] {
            let (ours, theirs) = (get(&direct, &path, &headers).await, get(&through, &path, &headers).await);
            assert_eq!((ours.status().as_u16(), theirs.status().as_u16()), (expected, expected), "{path} {headers:?}");
            assert_eq!(text(&ours, "content-range"), text(&theirs, "content-range"), "{path} {headers:?}");
            if expected != 416 {
                assert_eq!((text(&ours, "etag"), text(&theirs, "etag")), (Some(etag), Some(etag)), "{path} {headers:?}");
                assert_eq!(text(&ours, "last-modified"), text(&theirs, "last-modified"));
                assert_eq!(ours.bytes().await.expect("a body"), theirs.bytes().await.expect("a body"), "{path} {headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_part_of_an_empty_file_is_the_whole_of_it() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "marker.csv", "").await;
    for researcher in [nginx.researcher(), house.researcher()] {
        for (range, expected) in [("bytes=0-", 200), ("bytes=-5", 200), ("bytes=0-0", 200), ("bytes=5-", 416)] {
            let answer = get(&researcher, &format!("/uploads/recordings/{uuid}/marker.csv"), &[("Range", range)]).await;
            assert_eq!(answer.status(), expected, "{range} at {}", answer.url());
            assert_eq!(answer.content_length().filter(|_| expected == 200), (expected == 200).then_some(0), "{range}");
        }
    }
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off_and_begins_anew_after_a_roll() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let path = format!("/uploads/zips/{uuid}.zip");
    watch.upload(&uuid, "a.csv", "0123456789").await;
    let (through, direct) = (nginx.researcher(), house.researcher());
    let first = get(&through, &path, &[]).await;
    let [etag, modified] = ["etag", "last-modified"].map(|header| text(&first, header).expect("a validator").to_owned());
    let first = first.bytes().await.expect("a zip");
    // Begun with one, it is finished with the other.
    for researcher in [&through, &direct] {
        let rest = get(researcher, &path, &[("Range", "bytes=20-"), ("If-Range", &etag)]).await;
        assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!([&first[..20], &rest.bytes().await.expect("the rest")].concat(), first);
    }
    watch.upload(&uuid, "b.csv", "0123456789").await;
    let second = direct.zip(&uuid).await;
    // Neither the ETag nor the date is that of the second, although less than a second lies between the two.
    for (researcher, validator) in [(&through, &etag), (&through, &modified), (&direct, &etag), (&direct, &modified)] {
        let whole = get(researcher, &path, &[("Range", "bytes=20-"), ("If-Range", validator)]).await;
        assert_eq!(whole.status(), StatusCode::OK, "{validator} at {}", whole.url());
        assert_ne!(text(&whole, "etag"), Some(etag.as_str()));
        assert_eq!(whole.bytes().await.expect("a zip"), second);
    }
}

#[tokio::test]
async fn a_part_is_neither_waited_for_nor_rolled_for() {
    let disk = WatchedDisk::new();
    let house = House::start_with(disk.clone(), |config| config.zip.small_mib = 0).await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.gz", vec![1; 100_000]).await;
    let first = house.researcher().zip(&uuid).await;
    // Too little to roll for by itself.
    watch.upload(&uuid, "b.csv", "2").await;
    disk.take();
    let path = format!("/uploads/zips/{uuid}.zip");
    for researcher in [nginx.researcher(), house.researcher()] {
        let part = get(&researcher, &path, &[("Range", "bytes=1-")]).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.bytes().await.expect("a zip"), first[1..]);
    }
    let rolled = disk.take().into_iter().any(|call| matches!(call, Call::Rename(_, to) if to.extension().is_some_and(|it| it == "zip")));
    assert!(!rolled);
    assert_eq!(nginx.researcher().zip_contents(&uuid).await.len(), 2);
}

#[tokio::test]
async fn what_comes_out_as_the_whole_is_as_complete_as_a_download_without_a_range() {
    let house = House::start_with(WatchedDisk::new(), |config| config.zip.small_mib = 0).await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    for researcher in [nginx.researcher(), house.researcher()] {
        let uuid = watch.new_dataset().await;
        let path = format!("/uploads/zips/{uuid}.zip");
        watch.upload(&uuid, "0.gz", vec![1; 100_000]).await;
        let stale = text(&get(&researcher, &path, &[]).await, "etag").expect("an ETag").to_owned();
        let ranges = [("bytes=0-", None), ("rubbish", None), ("bytes=5-", Some("\"another\"")), ("bytes=5-", Some(stale.as_str()))];
        for (n, (range, validator)) in ranges.into_iter().enumerate() {
            watch.upload(&uuid, &format!("{n}.csv"), "1").await;
            let mut headers = vec![("Range", range)];
            headers.extend(validator.filter(|_| n > 0).map(|validator| ("If-Range", validator)));
            // The stale one goes on with the zip as it was, unless something was rolled meanwhile, as it was here.
            let answer = get(&researcher, &path, &headers).await;
            let zip = answer.bytes().await.expect("a zip");
            assert_eq!(contents(&zip).len(), n + 2, "{range} {validator:?} at {path}");
        }
    }
}
