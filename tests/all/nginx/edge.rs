//! What nginx refuses by itself, and what it must not: sizes, rates, callers with a false name, a house that is not there.

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use reqwest::{Client, Response, header::ACCEPT};
use wearhouse::{config::Config, storage::RealDisk};

use crate::support::{House, Nginx, Researcher, Setup, Watch, until};

/// A client with an address of its own.
fn client(last: u8) -> Client {
    Client::builder().no_proxy().local_address(IpAddr::from([127, 0, 0, last])).build().expect("a client")
}

async fn ask(client: &Client, nginx: &Nginx, identifier: &str) -> Response {
    let address = format!("{}/tokenauth/request/", nginx.base());
    client.get(address).query(&[("identifier", identifier)]).send().await.expect("an answer")
}

#[tokio::test]
async fn sixty_watches_behind_one_address_all_come_in() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    // Each has a connection of its own, and all of them ask at once, again and again.
    let watches: Vec<_> = (0..60).map(|n| (nginx.researcher(), format!("w{n}"))).collect();
    let polls = async {
        for status in ["new", "pending", "pending", "pending", "pending"] {
            let answers = join_all(watches.iter().map(|(watch, identifier)| watch.poll(identifier))).await;
            assert!(answers.iter().all(|answer| answer["status"] == status), "{answers:?}");
        }
    };
    // A watch waits no longer for one answer.
    tokio::time::timeout(Duration::from_secs(10), polls).await.expect("nobody was held up");
    for request in house.researcher().json("/api/v1/requests").await.as_array().expect("an array") {
        let id = request["id"].as_str().expect("an id");
        assert_eq!(house.researcher().post(&format!("/api/v1/requests/{id}/grant")).await, 204);
    }
    join_all(watches.iter().map(|(watch, identifier)| async {
        let token = watch.poll(identifier).await["token"].as_str().expect("a token").to_owned();
        let watch = Watch::with_token(nginx.base(), token);
        let uuid = watch.new_dataset().await;
        watch.upload(&uuid, "a.csv", identifier.clone()).await;
    }))
    .await;
}

#[tokio::test]
async fn a_flood_of_questions_is_429_at_the_edge_and_others_are_heard() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.anonymous_per_minute = 1_000_000).await;
    let nginx = Nginx::start(&house).await;
    let flood = client(77);
    let mut refused = None;
    for _ in 0..40 {
        let answers = join_all((0..50).map(|_| ask(&flood, &nginx, "w"))).await;
        refused = answers.into_iter().find(|answer| answer.status() != 200);
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("a bound");
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"60".parse().expect("a value")));
    assert!(refused.text().await.expect("text").contains("nginx"), "it was the house that refused");
    assert_eq!(ask(&client(78), &nginx, "other").await.status(), 200);
    // It is about this question only.
    let page = flood.get(nginx.base()).basic_auth("admin", Some(Researcher::PASSWORD)).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
}

#[tokio::test]
async fn wrong_logins_are_counted_for_who_makes_them_whatever_name_he_gives_himself() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    // On a page, and where nginx asks; from the machine itself, too, whose address is that of a trusted proxy.
    for (path, guesser) in [("/".to_owned(), client(66)), (format!("/uploads/recordings/{uuid}/a.csv"), client(1))] {
        let guess = async |n: u8, password: &'static str| {
            let request = guesser.get(format!("{}{path}", nginx.base())).basic_auth("admin", Some(password));
            let request = request.header("X-Forwarded-For", format!("203.0.113.{n}")).header("Forwarded", format!("for=203.0.113.{n}"));
            request.send().await.expect("an answer")
        };
        let mut answers = Vec::new();
        for n in 0..6 {
            answers.push(guess(n, "wrong").await);
        }
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
        assert_eq!((statuses[0], statuses[5]), (401, 429), "{path}: {statuses:?}");
        assert!(answers[5].headers().contains_key("retry-after"), "{path}");
        let other = client(67).get(format!("{}{path}", nginx.base())).basic_auth("admin", Some(Researcher::PASSWORD));
        assert_eq!(other.send().await.expect("an answer").status(), 200, "{path}");
    }
}

#[tokio::test]
async fn nginx_takes_an_upload_up_to_its_limit() {
    let house = House::start().await;
    let nginx = Nginx::start_with(&house, Setup { lines: &[("size 4096m;", "size 2m;")], ..Setup::default() }).await;
    let watch = nginx.watch(&house.watch("w").await);
    let uuid = watch.new_dataset().await;
    let limit = 2 << 20;
    for announced in [true, false] {
        // Around the file are the lines of its part.
        for (length, expected) in [(limit - 500, 200), (limit + 1, 413)] {
            let bytes = vec![b'1'; length];
            // A body that comes as a stream does not say how long it is.
            let body = if announced { bytes.into() } else { reqwest::Body::wrap_stream(once(bytes)) };
            let answer = watch.try_upload(&uuid, &format!("{length}.csv"), body).await.expect("an answer");
            assert_eq!(answer.status(), expected, "{length}, announced: {announced}");
        }
    }
    assert_eq!(house.researcher().files(&uuid).await.len(), 1);
    until("nothing is left of the others", async || house.incoming().is_empty()).await;
}

#[test]
fn the_numbers_of_nginx_fit_those_of_the_house() {
    let text = include_str!("../../../nginx/wearhouse.conf");
    let number = |directive: &str| -> u64 {
        let lines: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix(directive)).collect();
        lines.last().and_then(|rest| rest.trim().trim_end_matches(['m', 's', ';']).parse().ok()).expect("a number")
    };
    let config = Config::default();
    assert!(number("client_max_body_size ") >= config.limits.max_upload_mib);
    assert!(number("client_header_timeout ") >= config.limits.header_seconds);
    assert!(number("client_body_timeout ") > config.limits.stall_seconds);
    assert!(number("proxy_read_timeout ") > config.zip.wait_seconds);
}

fn once(bytes: Vec<u8>) -> impl futures_util::Stream<Item = std::io::Result<Vec<u8>>> + Send {
    futures_util::stream::iter([Ok(bytes)])
}

#[tokio::test]
async fn a_house_that_is_not_there_is_a_page_to_a_person() {
    let mut house = House::start().await;
    let nginx = Nginx::start(&house).await;
    house.stop().await;
    for path in ["/", "/static/icon.svg", "/uploads/zips/67e55044-10b1-426f-9247-bb680e5fe0c8.zip", "/recording/x.gif"] {
        let answer = nginx.researcher().request("GET", path).header(ACCEPT, "text/html").send().await.expect("an answer");
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!((answer.status().as_u16(), header("retry-after").as_str()), (503, "60"), "{path}");
        assert_eq!((header("content-type").as_str(), header("cache-control").as_str()), ("text/html; charset=utf-8", "no-store"), "{path}");
        let page = answer.text().await.expect("text");
        assert!(page.starts_with("<!doctype html>") && page.contains("Try again in 60 seconds") && page.contains("</html>"), "{page}");
        // Nothing of it comes from the house.
        assert!(!page.contains("href") && !page.contains("src="), "{page}");
    }
}
