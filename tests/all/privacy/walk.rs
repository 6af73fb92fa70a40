//! Every address, and who is told what there.

use reqwest::{Method, Response};

use super::{KEPT_HELD, Scene, allow, scene, told_by};
use crate::support::Researcher;

impl Scene {
    /// Every address that a route stands for. The routes are read off their page, so that a new one is walked, too.
    async fn addresses(&self) -> Vec<(&'static str, String)> {
        let held = self.house.researcher().json("/api/v1/quarantine").await;
        let held = held["files"].as_array().expect("files").iter().map(|file| file["id"].as_str().expect("an id").to_owned()).collect();
        let uploads = self.kept().into_iter().chain([format!("/uploads/zips/{}.zip", self.uuid)]);
        let places = [
            ("{uuid}", vec![self.uuid.clone(), self.damaged.clone()]),
            ("{id}", held),
            ("{span}", vec!["1".to_owned()]),
            ("{*path}", uploads.map(|address| address.replace("/uploads/", "")).collect()),
        ];
        let mut addresses = Vec::new();
        for route in routes().into_iter().filter(|route| *route != WITHOUT_END) {
            let mut spelled = vec![route.to_owned()];
            for (place, values) in &places {
                spelled = spelled.iter().flat_map(|path| values.iter().map(move |value| path.replace(place, value))).collect();
            }
            spelled.dedup();
            assert!(!spelled[0].contains('{'), "say in this test what stands for the braces of {route}");
            addresses.extend(spelled.into_iter().map(|path| (route, path)));
        }
        addresses
    }

    /// Asks for every address with these methods, plainly and with the recording named beside it. The routes that gave something away, each once.
    async fn walk(&self, researcher: &Researcher, methods: &[Method]) -> Vec<&'static str> {
        let mut telling = Vec::new();
        for (route, address) in self.addresses().await {
            for method in methods {
                // What an earlier address has put into the trash would be nowhere from then on.
                if !method.is_safe() {
                    for uuid in [&self.uuid, &self.damaged] {
                        researcher.post(&format!("/api/v1/datasets/{uuid}/restore")).await;
                    }
                }
                for query in [String::new(), format!("?uuid={}", self.uuid)] {
                    let (_, told) = told_by(ask(researcher, method, &(address.clone() + &query)).await).await;
                    if !told.is_empty() {
                        telling.push(route);
                    }
                }
            }
        }
        telling.dedup();
        telling
    }
}

/// Asks. What stands behind the address stands in the body, too, where there is one: as a form, or as JSON that changes nothing.
async fn ask(researcher: &Researcher, method: &Method, address: &str) -> Response {
    let request = researcher.request(method.as_str(), address);
    let request = match (method, address.split_once('?')) {
        (&Method::PATCH, _) => request.json(&serde_json::json!({})),
        (&Method::POST, Some((_, form))) => request.header("Content-Type", "application/x-www-form-urlencoded").body(form.to_owned()),
        _ => request,
    };
    request.send().await.expect("an answer")
}

/// Tells a page that is open the numbers of changes, for as long as it is open.
const WITHOUT_END: &str = "/tokenauth/check/events";

/// The paths in `src/http/mod.rs`.
fn routes() -> Vec<&'static str> {
    let page = include_str!("../../../src/http/mod.rs");
    let routes: Vec<_> = page.split(".route(").skip(1).map(|rest| rest.trim_start().strip_prefix('"').expect("a path in quotes")).collect();
    let routes: Vec<_> = routes.into_iter().map(|rest| rest.split('"').next().expect("a path")).collect();
    assert!(routes.len() > 40 && !page.contains(".route_service(") && !page.contains(".nest("), "routes stand in another form now");
    routes
}

/// Where an operator is told of such files, and a researcher only if he may see them. The error of a zip that was to hold one
/// stands in the list, and is told to nobody while zips leave the file out.
const TELLING: [&str; 5] = ["/api/v1/datasets/{uuid}", "/api/v1/quarantine", "/recording/{uuid}/", "/quarantine/", "/uploads/{*path}"];
const TELLING_OF_ERRORS: &str = "/api/v1/datasets";
/// Where only operators come: what was taken home stands there by its name.
const OF_OPERATORS: [&str; 2] = ["/audit/", "/audit.csv"];
/// Where a zip is made for everybody alike.
const TELLING_IN_ZIPS: [&str; 2] = ["/api/v1/datasets.zip", "/recording/download"];

#[tokio::test]
async fn no_address_gives_a_researcher_what_may_hold_a_voice() {
    let scene = scene().await;
    let (operator, researcher) = (scene.house.researcher(), scene.house.researcher().without_power());
    let asking = [Method::HEAD, Method::GET];
    assert_eq!(scene.walk(&researcher, &asking).await, [""; 0]);
    let telling = scene.walk(&operator, &asking).await;
    assert!(TELLING.iter().all(|route| telling.contains(route)) && !telling.contains(&TELLING_OF_ERRORS), "{telling:?}");
    assert!(!TELLING_IN_ZIPS.iter().any(|route| telling.contains(route)), "{telling:?}");

    allow(&scene.house, true);
    let telling = scene.walk(&operator, &asking).await;
    assert!(TELLING.iter().chain([&TELLING_OF_ERRORS]).all(|route| telling.contains(route)), "{telling:?}");
    let telling: Vec<_> = telling.into_iter().filter(|route| !OF_OPERATORS.contains(route)).collect();
    // What the operator has taken home stands in the history, and is told to whoever may see it.
    assert_eq!(scene.walk(&researcher, &asking).await, telling, "a researcher who may see them is told what an operator is told");
    assert!(telling.contains(&TELLING_IN_ZIPS[0]), "{telling:?}");
    let taken = told_by(ask(&researcher, &Method::POST, &format!("{}?uuid={}", TELLING_IN_ZIPS[1], scene.uuid)).await).await;
    assert!(!taken.1.is_empty(), "{taken:?}");
    allow(&scene.house, false);
    let changing = [Method::PATCH, Method::PUT, Method::POST, Method::DELETE, Method::HEAD, Method::GET];
    assert_eq!(scene.walk(&researcher, &changing).await, [""; 0]);
    assert!(told_by(operator.get("/api/v1/quarantine").await).await.1.contains(&KEPT_HELD.0.to_owned()), "a researcher has decided");
}
