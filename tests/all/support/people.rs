//! A watch and a researcher, as they talk to the house.

use reqwest::{
    Body, Client, RequestBuilder, Response, StatusCode,
    multipart::{Form, Part},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::until;

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn client() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client")
}

/// A watch with its token.
#[derive(Clone)]
pub struct Watch {
    base: String,
    client: Client,
    pub token: String,
}

impl Watch {
    pub fn with_token(base: String, token: String) -> Self {
        Self { base, client: client(), token }
    }

    /// The same watch, talking to another address (after a restart, or through nginx).
    pub fn at(&self, base: &str) -> Self {
        Self::with_token(base.to_owned(), self.token.clone())
    }

    /// Another watch that shares the connections of this one.
    pub fn with_other_token(&self, token: String) -> Self {
        Self { token, ..self.clone() }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn new_dataset(&self) -> String {
        let answer: Value = self.request("GET", "/recording/new/").send().await.expect("an answer").json().await.expect("json");
        assert_eq!(answer["status"], "success");
        answer["uuid"].as_str().expect("a uuid").to_owned()
    }

    pub async fn try_upload(&self, uuid: &str, name: &str, bytes: impl Into<Body>) -> reqwest::Result<Response> {
        let part = Part::stream(bytes).file_name(name.to_owned()).mime_str("application/octet-stream")?;
        self.request("POST", &format!("/recording/new/?uuid={uuid}")).multipart(Form::new().part("file", part)).send().await
    }

    /// Uploads a file; panics unless it is told that the file is safe.
    pub async fn upload(&self, uuid: &str, name: &str, bytes: impl Into<Body>) -> Value {
        let answer = self.try_upload(uuid, name, bytes).await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).expect("json")
    }
}

/// A researcher with name and password; an operator, too, unless he is [`Researcher::without_power`].
#[derive(Clone)]
pub struct Researcher {
    base: String,
    client: Client,
    name: &'static str,
}

impl Researcher {
    pub const PASSWORD: &str = "correct horse battery staple";

    pub fn new(base: String) -> Self {
        Self { base, client: client(), name: "admin" }
    }

    /// The user of the tests who is a researcher and no operator.
    pub fn without_power(&self) -> Self {
        Self { name: "researcher", ..self.clone() }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.base)).basic_auth(self.name, Some(Self::PASSWORD))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.expect("an answer")
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("json")
    }

    pub async fn post(&self, path: &str) -> StatusCode {
        self.request("POST", path).send().await.expect("an answer").status()
    }

    /// One poll of a watch that has no token.
    pub async fn poll(&self, identifier: &str) -> Value {
        let request = self.client.get(format!("{}/tokenauth/request/", self.base)).query(&[("identifier", identifier)]);
        request.send().await.expect("an answer").json().await.expect("json")
    }

    pub async fn request_of(&self, identifier: &str) -> Value {
        let requests = self.json("/api/v1/requests").await;
        let found = requests.as_array().expect("an array").iter().find(|request| request["identifier"] == identifier);
        found.cloned().unwrap_or_else(|| panic!("no request of {identifier}: {requests}"))
    }

    pub async fn grant(&self, identifier: &str) {
        let id = self.request_of(identifier).await["id"].as_str().expect("an id").to_owned();
        assert_eq!(self.post(&format!("/api/v1/requests/{id}/grant")).await, StatusCode::NO_CONTENT);
    }

    pub async fn let_in(&self, identifier: &str) -> Watch {
        self.poll(identifier).await;
        self.grant(identifier).await;
        let token = self.poll(identifier).await["token"].as_str().expect("a token").to_owned();
        Watch::with_token(self.base.clone(), token)
    }

    pub async fn dataset(&self, uuid: &str) -> Value {
        self.json(&format!("/api/v1/datasets/{uuid}")).await
    }

    /// The stored names of a dataset's files, with their digests.
    pub async fn files(&self, uuid: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (mut files, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("{}/api/v1/datasets/{uuid}", self.base);
            let page = self.client.get(path).basic_auth(self.name, Some(Self::PASSWORD)).query(&[("after", &after)]);
            let page: Value = page.send().await.expect("a response").json().await.expect("json");
            files.extend(page["file_list"].as_array().expect("files").iter().map(|file| (text(&file["name"]), text(&file["sha256"]))));
            let Some(next) = page["next"].as_str() else { return files };
            next.clone_into(&mut after);
        }
    }

    pub async fn zip(&self, uuid: &str) -> Vec<u8> {
        let answer = self.get(&format!("/uploads/zips/{uuid}.zip")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.expect("a whole zip").to_vec()
    }

    /// What a dataset's zip holds: names and digests, sorted. Panics unless the zip is whole.
    pub async fn zip_contents(&self, uuid: &str) -> Vec<(String, String)> {
        contents(&self.zip(uuid).await)
    }

    pub async fn is_up(&self) -> bool {
        self.client.get(format!("{}/static/style.css", self.base)).send().await.is_ok()
    }

    pub async fn wait_until_up(&self) {
        until("the server answers", async || self.is_up().await).await;
    }
}

/// Names and digests of a zip's entries, sorted, each read to its end.
pub fn contents(zip: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).expect("a zip");
    let mut entries: Vec<_> = (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).expect("an entry");
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).expect("whole, with the right CRC");
            (entry.name().expect("utf-8").into_owned(), sha256(&bytes))
        })
        .collect();
    entries.sort();
    entries
}
