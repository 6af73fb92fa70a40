//! nginx's logs know what was done, not by whom.

use futures_util::future::join_all;
use reqwest::Client;

use crate::support::{House, Nginx, Researcher, Setup, until};

/// A caller with an address that stands out.
fn caller() -> Client {
    Client::builder().no_proxy().local_address(std::net::IpAddr::from([127, 0, 0, 77])).build().expect("a client")
}

#[tokio::test]
async fn no_address_and_no_query_is_in_nginxs_logs() {
    let mut house = House::start().await;
    // The least that leads to a 429.
    let nginx = Nginx::start_with(&house, Setup { lines: &[("burst=600", "burst=2")], ..Setup::default() }).await;
    let watch = nginx.watch(&house.watch("w").await);
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "needle_a.csv", "1").await;
    let client = caller();
    let get = async |path: &str| {
        let request = client.get(format!("{}{path}", nginx.base())).basic_auth("admin", Some(Researcher::PASSWORD));
        request.send().await.expect("an answer").status().as_u16()
    };
    let paths = [
        "/tokenauth/request/?identifier=needle",
        "/nowhere?needle",
        &format!("/uploads/zips/{uuid}.zip?needle"),
        &format!("/uploads/recordings/{uuid}/needle_a.csv"),
        &format!("/uploads/recordings/{uuid}/needle_missing.csv?needle"),
        "/uploads/zips/22222222-2222-4222-8222-222222222222.zip?needle",
        "/%00?needle",
        "/uploads/.house/catalog.sqlite?needle",
    ];
    for (path, expected) in paths.iter().zip([200, 404, 200, 200, 404, 404, 400, 403]) {
        assert_eq!(get(path).await, expected, "{path}");
    }
    let flood = join_all((0..10).map(|_| get(paths[0]))).await;
    assert!(flood.contains(&429), "{flood:?}");
    house.stop().await;
    for (path, expected) in paths.iter().zip([[503, 429], [503; 2], [503; 2], [503; 2], [503; 2], [503; 2], [400; 2], [403; 2]]) {
        assert!(expected.contains(&get(path).await), "{path}");
    }
    until("the last request is logged", async || nginx.logs().matches("catalog.sqlite 403").count() == 2).await;
    let logs = nginx.logs();
    for kept in [format!("GET /uploads/zips/{uuid}.zip 200"), format!("GET /uploads/recordings/{uuid}/- 200"), "request/ 429".to_owned()] {
        assert!(logs.contains(&kept), "{kept}: {logs}");
    }
    for secret in ["127.0.0", "needle", "identifier", "w HTTP", watch.token.as_str(), Researcher::PASSWORD] {
        assert!(!logs.contains(secret), "{secret} in {logs}");
    }
}

#[tokio::test]
async fn no_address_is_in_the_logs_of_a_door_with_tls() {
    let mut house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let tls = nginx.tls();
    let interface = ["--interface", "127.0.0.77"];
    let get = async |address: String| tls.curl(&[interface.as_slice(), &["-k", &address]].concat()).await;
    house.stop().await;
    assert!(get(format!("{}/tokenauth/request/?identifier=needle", nginx.base())).await.starts_with("HTTP/2 503"));
    assert!(get(format!("{}/recording/new/?uuid=needle", tls.http_base())).await.starts_with("HTTP/1.1 308"));
    assert!(get(format!("{}/.well-known/acme-challenge/x?needle", tls.http_base())).await.starts_with("HTTP/1.1 404"));
    assert!(get(format!("{}/?needle", nginx.base().replace("https", "http"))).await.starts_with("HTTP/1.1 400"));
    // A handshake that fails, and what is no HTTP at all.
    tls.handshake(nginx.address, &["-bind", "127.0.0.77:0", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).await;
    crate::support::raw(tls.http, b"needle\r\n\r\n").await;
    until("the last request is logged", async || nginx.logs().matches(" 400 ").count() == 2).await;
    let logs = nginx.logs();
    for kept in ["GET /tokenauth/request/ 503", "GET /recording/new/ 308", "GET /.well-known/acme-challenge/x 404"] {
        assert!(logs.contains(kept), "{kept}: {logs}");
    }
    for secret in ["127.0.0", "needle", "identifier"] {
        assert!(!logs.contains(secret), "{secret} in {logs}");
    }
}
