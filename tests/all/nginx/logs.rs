//! nginx's logs know what was done, not by whom.

use crate::support::{House, Nginx, Researcher, until};

#[tokio::test]
async fn no_address_and_no_query_is_in_nginxs_logs() {
    let mut house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = nginx.watch(&house.watch("w").await);
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    let client = reqwest::Client::builder().local_address(std::net::IpAddr::from([127, 0, 0, 77])).build().expect("a client");
    let get = async |path: String| {
        let request = client.get(format!("{}{path}", nginx.base())).basic_auth("admin", Some(Researcher::PASSWORD));
        request.send().await.expect("an answer").status().as_u16()
    };
    let paths = [
        "/tokenauth/request/?identifier=needle".to_owned(),
        "/nowhere?needle".to_owned(),
        format!("/uploads/zips/{uuid}.zip?needle"),
        format!("/uploads/recordings/{uuid}/missing.csv?needle"),
        "/uploads/zips/22222222-2222-4222-8222-222222222222.zip?needle".to_owned(),
        "/%00?needle".to_owned(),
        "/uploads/.house/catalog.sqlite?needle".to_owned(),
    ];
    for (path, expected) in paths.iter().zip([200, 404, 200, 404, 404, 400, 403]) {
        assert_eq!(get(path.clone()).await, expected, "{path}");
    }
    house.stop().await;
    for (path, expected) in paths.iter().zip([503, 503, 503, 503, 503, 400, 403]) {
        assert_eq!(get(path.clone()).await, expected, "{path}");
    }
    until("the last request is logged", async || nginx.logs().matches("catalog.sqlite 403").count() == 2).await;
    let logs = nginx.logs();
    assert!(logs.contains(&format!("GET /uploads/zips/{uuid}.zip 200")), "{logs}");
    for secret in ["127.0.0", "needle", "identifier", "w HTTP"] {
        assert!(!logs.contains(secret), "{secret} in {logs}");
    }
}
