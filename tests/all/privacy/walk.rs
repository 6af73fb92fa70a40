//! Every address, and who is told what there.

use std::collections::BTreeMap;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{KEPT, KEPT_HELD, Scene, allow, scene, told_by};
use crate::{
    models::{give, publish},
    support::Researcher,
};

/// An address, and the route that it stands for.
type Address = (&'static str, String);

impl Scene {
    /// Something for every address to show: somebody who wore both watches, one who waits at the door, and one who is not heard.
    async fn furnish(&self) {
        let operator = self.house.researcher();
        let added = operator.request("POST", "/api/v1/participants").json(&json!({"label": "P01"})).send().await.expect("an answer");
        let participant = added.json::<Value>().await.expect("json")["id"].as_str().expect("an id").to_owned();
        for device in ids(&operator.json("/api/v1/devices").await, "id") {
            let span = json!({"device": device, "from": "2024-03-01", "until": null});
            let spans = operator.request("POST", &format!("/api/v1/participants/{participant}/spans"));
            assert_eq!(spans.json(&span).send().await.expect("an answer").status(), StatusCode::CREATED);
        }
        let model = publish(&operator, "hands.onnx").await;
        give(&operator, json!({"to": "everyone", "model": model})).await;
        for name in ["waits", "blocked"] {
            operator.poll(name).await;
        }
        let id = operator.request_of("blocked").await["id"].as_str().expect("an id").to_owned();
        assert_eq!(operator.post(&format!("/api/v1/requests/{id}/block")).await, StatusCode::NO_CONTENT);
    }

    /// What stands in the braces of a route: by what the route begins with, since an id is one of a device here and of a file there.
    async fn places(&self) -> Vec<(&'static str, &'static str, Vec<String>)> {
        let operator = self.house.researcher();
        let all = async |path: &str, list: &str, key: &str| ids(operator.json(path).await.pointer(list).expect("a list"), key);
        let devices = all("/api/v1/devices", "", "id").await;
        let participants = all("/api/v1/participants", "/participants", "id").await;
        let spans = all(&format!("/api/v1/participants/{}", participants[0]), "/spans", "id").await;
        let held = all("/api/v1/quarantine", "/files", "id").await;
        let requests = all("/api/v1/requests", "", "id").await;
        let blocked = all("/api/v1/blocked", "", "device").await;
        let models = all("/api/v1/models", "/models", "id").await;
        let uploads = self.kept().into_iter().chain([format!("/uploads/zips/{}.zip", self.uuid)]);
        vec![
            ("/", "{uuid}", vec![self.uuid.clone(), self.damaged.clone()]),
            ("/", "{name}", KEPT.iter().map(|(name, _)| (*name).to_owned()).collect()),
            ("/tfmodel/", "{id}", models.clone()),
            ("/api/v1/models/", "{id}", models),
            ("/", "{span}", spans),
            ("/device/", "{id}", devices.clone()),
            ("/api/v1/devices/", "{id}", devices),
            ("/participant/", "{id}", participants.clone()),
            ("/api/v1/participants/", "{id}", participants),
            ("/tokenauth/check/{id}/unblock", "{id}", blocked.clone()),
            ("/tokenauth/check/", "{id}", requests.clone()),
            ("/api/v1/requests/", "{id}", requests),
            ("/api/v1/blocked/", "{id}", blocked),
            ("/quarantine/", "{id}", held.clone()),
            ("/api/v1/quarantine/", "{id}", held),
            ("/uploads/", "{*path}", uploads.map(|address| address.replace("/uploads/", "")).collect()),
        ]
    }

    /// Every address that a route stands for. The routes are read off their page, so that a new one is walked, too.
    async fn addresses(&self) -> Vec<Address> {
        let places = self.places().await;
        let mut addresses = Vec::new();
        for route in routes().into_iter().filter(|route| *route != WITHOUT_END) {
            let mut spelled = vec![route.to_owned()];
            for (_, place, values) in places.iter().filter(|(prefix, _, _)| route.starts_with(prefix)) {
                spelled = spelled.iter().flat_map(|path| values.iter().map(move |value| path.replace(place, value))).collect();
                spelled.dedup();
            }
            assert!(!spelled[0].contains('{'), "say in this test what stands for the braces of {route}");
            addresses.extend(spelled.into_iter().map(|path| (route, path)));
        }
        addresses
    }

    /// Asks for every address with these methods, plainly and with the recording named beside it.
    async fn walk(&self, researcher: &Researcher, addresses: &[Address], methods: &[Method]) -> Walked {
        let mut walked = Walked::default();
        for (route, address) in addresses {
            for method in methods {
                // What an earlier address has put into the trash would be nowhere from then on.
                if !method.is_safe() {
                    for uuid in [&self.uuid, &self.damaged] {
                        researcher.post(&format!("/api/v1/datasets/{uuid}/restore")).await;
                    }
                }
                for query in [String::new(), format!("?uuid={}", self.uuid)] {
                    let (status, told) = told_by(ask(researcher, method, &(address.clone() + &query)).await).await;
                    walked.note(route, method, status, &told);
                }
            }
        }
        walked
    }
}

/// What a walk has met.
#[derive(Default)]
struct Walked {
    /// The routes that gave something away, each once.
    telling: Vec<&'static str>,
    /// The routes that can be asked with GET, each with whether one of its addresses was answered 200.
    shown: BTreeMap<&'static str, bool>,
}

impl Walked {
    fn note(&mut self, route: &'static str, method: &Method, status: StatusCode, told: &[String]) {
        if !told.is_empty() && self.telling.last() != Some(&route) {
            self.telling.push(route);
        }
        if method == Method::GET && status != StatusCode::METHOD_NOT_ALLOWED {
            *self.shown.entry(route).or_default() |= status == StatusCode::OK;
        }
    }

    /// The routes of which only refusals were seen.
    fn unseen(&self) -> Vec<&'static str> {
        self.shown.iter().filter(|(_, shown)| !**shown).map(|(route, _)| *route).collect()
    }
}

fn ids(list: &Value, key: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|each| each[key].as_str().expect("an id").to_owned()).collect()
}

/// Asks. What stands behind the address stands in the body, too, where there is one: as a form, or as JSON that changes nothing.
async fn ask(researcher: &Researcher, method: &Method, address: &str) -> Response {
    let request = researcher.request(method.as_str(), address);
    let request = match (method, address.split_once('?')) {
        (&Method::PATCH, _) => request.json(&json!({})),
        (&Method::POST, Some((_, form))) => request.header("Content-Type", "application/x-www-form-urlencoded").body(form.to_owned()),
        _ => request,
    };
    request.send().await.expect("an answer")
}

/// What is for a watch, for nginx with a header, or on another listener.
const NOT_OF_THE_DESK: [&str; 9] = [
    "/api/v1/models/current",
    "/api/v1/models/current/settings",
    "/auth",
    "/metrics",
    "/recording/new/",
    "/tfmodel/check/latest/",
    "/tfmodel/get/latest/",
    "/tfmodel/get/settings/",
    "/tokenauth/request/",
];
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
    scene.furnish().await;
    let addresses = scene.addresses().await;
    let (operator, researcher) = (scene.house.researcher(), scene.house.researcher().without_power());
    let asking = [Method::HEAD, Method::GET];
    assert_eq!(scene.walk(&researcher, &addresses, &asking).await.telling, [""; 0]);
    let walked = scene.walk(&operator, &addresses, &asking).await;
    assert_eq!(walked.unseen(), NOT_OF_THE_DESK, "what is not there gives nothing away");
    let telling = walked.telling;
    assert!(TELLING.iter().all(|route| telling.contains(route)) && !telling.contains(&TELLING_OF_ERRORS), "{telling:?}");
    assert!(!TELLING_IN_ZIPS.iter().any(|route| telling.contains(route)), "{telling:?}");

    allow(&scene.house, true);
    let telling = scene.walk(&operator, &addresses, &asking).await.telling;
    assert!(TELLING.iter().chain([&TELLING_OF_ERRORS]).all(|route| telling.contains(route)), "{telling:?}");
    let telling: Vec<_> = telling.into_iter().filter(|route| !OF_OPERATORS.contains(route)).collect();
    // What the operator has taken home stands in the history, and is told to whoever may see it.
    assert_eq!(
        scene.walk(&researcher, &addresses, &asking).await.telling,
        telling,
        "a researcher who may see them is told what an operator is told"
    );
    assert!(telling.contains(&TELLING_IN_ZIPS[0]), "{telling:?}");
    let taken = told_by(ask(&researcher, &Method::POST, &format!("{}?uuid={}", TELLING_IN_ZIPS[1], scene.uuid)).await).await;
    assert!(!taken.1.is_empty(), "{taken:?}");
    allow(&scene.house, false);
    let changing = [Method::PATCH, Method::PUT, Method::POST, Method::DELETE, Method::HEAD, Method::GET];
    assert_eq!(scene.walk(&researcher, &addresses, &changing).await.telling, [""; 0]);
    assert!(told_by(operator.get("/api/v1/quarantine").await).await.1.contains(&KEPT_HELD.0.to_owned()), "a researcher has decided");
}
