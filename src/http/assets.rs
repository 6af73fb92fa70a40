//! The style sheet, the icon and the one script: part of the program, open to everybody, and kept by browsers for as long as they like.

use std::sync::LazyLock;

use axum::{
    extract::RawQuery,
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

/// What the pages link to.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("/static/style.css", "text/css; charset=utf-8", include_str!("../../static/style.css")));
/// The icon of the pages.
pub static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("/static/icon.svg", "image/svg+xml", include_str!("../../static/icon.svg")));
/// What keeps a page up to date.
pub static LIVE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("/static/live.js", "text/javascript; charset=utf-8", include_str!("../../static/live.js")));

/// A file that the program carries.
pub struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
    version: String,
}

impl Asset {
    fn new(path: &'static str, kind: &'static str, text: &'static str) -> Self {
        let digest = Sha256::digest(text);
        let version = digest[..8].iter().fold("v=".to_owned(), |version, byte| format!("{version}{byte:02x}"));
        Self { path, kind, text, version }
    }

    /// Where a page finds it. Another content has another address, so that nobody ever keeps a stale one.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}?{}", self.path, self.version)
    }

    /// The file. Only the address that changes with the content may be kept for good.
    fn answer(&self, query: Option<&str>) -> Response {
        let keep = if query == Some(&self.version) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers = [(header::CONTENT_TYPE, self.kind), (header::CACHE_CONTROL, keep), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        (headers, self.text).into_response()
    }
}

/// `GET /static/style.css`, with a version behind it or without.
pub async fn style(RawQuery(query): RawQuery) -> Response {
    STYLE.answer(query.as_deref())
}

/// `GET /static/icon.svg`, likewise.
pub async fn icon(RawQuery(query): RawQuery) -> Response {
    ICON.answer(query.as_deref())
}

/// `GET /static/live.js`, likewise.
pub async fn live(RawQuery(query): RawQuery) -> Response {
    LIVE.answer(query.as_deref())
}
