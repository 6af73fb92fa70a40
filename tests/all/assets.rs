//! The style sheet, the icon and the script: kept for good, and never stale.

use reqwest::Response;

use crate::support::{House, Nginx, Researcher};

async fn get(base: &str, path: &str) -> Response {
    // Without a login: whoever is refused sees a page, too.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(format!("{base}{path}")).send().await.expect("an answer")
}

/// What a page links to under `/static/`.
async fn linked(researcher: &Researcher) -> Vec<String> {
    let page = researcher.get("/tokenauth/check/").await.text().await.expect("text").replace(" src=\"", " href=\"");
    let links = page.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|link| link.starts_with("/static/")).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_a_page_links_to_is_kept_for_good_with_nginx_and_without() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    for base in [house.url(""), nginx.base()] {
        let links = linked(&Researcher::new(base.clone())).await;
        assert_eq!(links.len(), 3, "{links:?}");
        for (link, kind) in links.iter().zip(["text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"]) {
            let answer = get(&base, link).await;
            assert_eq!(answer.status(), 200, "{link}");
            assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable", "{link}");
            assert_eq!(answer.headers()["content-type"], kind, "{link}");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{link}");
        }
    }
}

#[tokio::test]
async fn an_address_that_does_not_change_with_the_content_is_not_kept() {
    let house = House::start().await;
    for link in linked(&house.researcher()).await {
        let (path, version) = link.split_once('?').expect("a version");
        let whole = get(&house.url(""), &link).await.text().await.expect("text");
        for other in
            [path.to_owned(), format!("{path}?"), format!("{path}?v=0"), format!("{path}?{version}0"), format!("{path}?x&{version}")]
        {
            let answer = get(&house.url(""), &other).await;
            assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (200, &"no-cache".parse().expect("a value")));
            assert_eq!(answer.text().await.expect("text"), whole, "{other}");
        }
    }
}
