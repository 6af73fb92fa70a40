//! Proxies that stand between a watch and its house.

use super::{
    front::Front,
    run::{Said, run},
};
use crate::support::{House, Nginx, free_address};

const HANDED_ON: &str = "location / { proxy_pass http://HOUSE; }";
const REDIRECT: &str = "location / { return 308 https://$host$request_uri; }";

#[tokio::test]
async fn a_good_front_is_ready_and_nothing_is_left_behind() {
    let front = Front::good().await;
    let arguments = front.arguments();
    let (code, said) = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("ok         upload size  4096 MiB may come\n"), "{said}");
    assert!(said.contains(&format!("\n\nhttps://{} is ready for watches; ", front.tls)), "{said}");
    let said = front.examined().await;
    assert_eq!(said.all("not_asked"), [""; 0]);
    let requests = front.house.researcher().get("/api/v1/requests").await.text().await.expect("text");
    assert_eq!(requests, "[]");
}

#[tokio::test]
async fn the_configuration_that_operators_get_is_good() {
    let house = House::start().await;
    let said = Said::by(&[&Nginx::start(&house).await.base()]).await;
    assert_eq!(said.all("fail"), [""; 0]);
    said.is_fine("upload size", &["4096 MiB"]);
}

#[tokio::test]
async fn a_redirect_that_loses_an_upload_is_told_from_one_that_does_not() {
    for status in ["301", "302", "303"] {
        let front = Front::broken("return 308 https", &format!("return {status} https")).await;
        front.examined().await.fails_only("plain http", &[status, "without the file", "return 308"]);
    }
    let front = Front::broken("return 308 https", "return 307 https").await;
    front.examined().await.is_fine("plain http", &["307"]);
}

#[tokio::test]
async fn a_page_that_takes_uploads_over_plain_http_is_found() {
    let front = Front::broken(REDIRECT, "location / { return 200 'welcome'; }").await;
    front.examined().await.fails_only("plain http", &["200", "deletes its only copy"]);
    let front = Front::broken(REDIRECT, HANDED_ON).await;
    front.examined().await.warns("plain http", &["readable"]);
    let front = Front::broken(REDIRECT, "location / { return 444; }").await;
    front.examined().await.is_fine("plain http", &["nobody answers"]);
    let front = Front::broken(REDIRECT, "location / { return 404; }").await;
    front.examined().await.is_fine("plain http", &["nothing is taken"]);
}

#[tokio::test]
async fn a_login_in_between_is_told_by_its_redirect_its_page_or_its_challenge() {
    let login = "location / { return 302 https://login.example.org/?to=$uri; }";
    let said = Front::broken(HANDED_ON, login).await.examined().await;
    said.fails_only("handshake", &["https://login.example.org/ (302)", "cannot log in"]);
    assert!(said.of("upload").contains("mend handshake first"), "{}", said.of("upload"));
    let page = "location / { default_type text/html; return 200 '<form>'; }";
    Front::broken(HANDED_ON, page).await.examined().await.fails_only("handshake", &["a page answers with 200", "login"]);
    let basic = "location / { auth_basic 'Staff'; auth_basic_user_file FOLDER/root.pem; proxy_pass http://HOUSE; }";
    Front::broken(HANDED_ON, basic).await.examined().await.fails_only("handshake", &["password (401, Basic)", "auth_basic off"]);
}

#[tokio::test]
async fn a_login_before_the_uploads_alone_is_found_too() {
    for (other, words) in
        [("return 302 /login/;", "302"), ("return 200 'thanks';", "200"), ("auth_basic 'x'; auth_basic_user_file /dev/null;", "401")]
    {
        let front = Front::broken(HANDED_ON, &format!("{HANDED_ON} location /recording/ {{ {other} proxy_pass http://HOUSE; }}")).await;
        let said = front.examined().await;
        said.fails_only("upload", &[words]);
        assert_eq!(said.all("not_asked"), ["upload size", "buffering"]);
    }
}

#[tokio::test]
async fn a_proxy_that_takes_only_small_bodies_is_told_how_large_they_are() {
    let front = Front::broken("client_max_body_size 4096m;", "client_max_body_size 4095m;").await;
    front.examined().await.fails_only("upload size", &["4096 MiB", "client_max_body_size 4096m;"]);
    let address = format!("https://{}", front.tls);
    let said = Said::by(&[&address, "--max-upload-mib", "4095", "--http-port", &front.plain.port().to_string()]).await;
    assert!(said.all("ok").contains(&"upload size") && said.of("upload size").contains("4095 MiB"));
}

#[tokio::test]
async fn a_proxy_that_keeps_uploads_until_they_are_whole_is_found() {
    let said = Front::broken("proxy_request_buffering off;", "").await.examined().await;
    said.fails_only("buffering", &["proxy_request_buffering off;"]);
    assert_eq!(said.all("not_asked"), ["upload size"]);
}

#[tokio::test]
async fn a_house_that_is_down_behind_its_proxy_is_started() {
    let front = Front::broken("http://HOUSE", &format!("http://{}", free_address())).await;
    front.examined().await.fails_only("handshake", &["502", "start it", "proxy_pass"]);
    let front = Front::broken(HANDED_ON, "location / { return 503; }").await;
    front.examined().await.fails_only("handshake", &["503", "start it"]);
}

#[tokio::test]
async fn another_site_under_this_name_is_told() {
    let front = Front::broken(HANDED_ON, "location / { return 404; }").await;
    front.examined().await.fails_only("handshake", &["not Wearhouse (404)", "server_name"]);
}

#[tokio::test]
async fn what_is_private_stays_so() {
    for path in ["/metrics", "/uploads/.house/"] {
        let front = Front::broken(HANDED_ON, &format!("{HANDED_ON} location = {path} {{ return 200 'all of it'; }}")).await;
        front.examined().await.fails_only("private", &[path]);
    }
}

#[tokio::test]
async fn an_answer_that_a_cache_may_keep_is_found() {
    let front = Front::broken("http://HOUSE;", "http://HOUSE; proxy_hide_header Cache-Control;").await;
    front.examined().await.fails_only("caching", &["no-store"]);
}

#[tokio::test]
async fn a_front_without_hsts_is_a_warning() {
    let front = Front::broken("add_header Strict-Transport-Security 'max-age=31536000' always;", "").await;
    front.examined().await.warns("hsts", &["Strict-Transport-Security"]);
    Front::good().await.examined().await.is_fine("hsts", &["https only"]);
}
