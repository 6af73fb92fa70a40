//! What is asked: the requests of a watch, with a token that is made up.

use std::convert::Infallible;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request,
    body::{Bytes, Frame},
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
};

use crate::ids::DatasetId;

/// The body of a question.
pub(super) type Sent = UnsyncBoxBody<Bytes, Infallible>;

/// Where a watch asks to be let in. Without an identifier nobody is let in, and nothing is kept.
pub(super) const HANDSHAKE: &str = "/tokenauth/request/";

/// Where a watch brings its files.
pub(super) const UPLOAD: &str = "/recording/new/";

const CONTENT: &str = "--wearhouse\r\nContent-Disposition: form-data; name=\"file\"; filename=\"doctor.csv\"\r\n\r\n1\t0.1\t9.8\t0.2\n";
const END: &str = "\r\n--wearhouse--\r\n";

/// As long as a token and of its version, and signed by nobody.
const TOKEN: [u8; 53] = [1; 53];

/// A GET or HEAD.
pub(super) fn request(method: Method, path: &'static str) -> Request<Sent> {
    let mut request = Request::new(Full::default().boxed_unsync());
    *request.method_mut() = method;
    *request.uri_mut() = hyper::Uri::from_static(path);
    request
}

/// A GET.
pub(super) fn get(path: &'static str) -> Request<Sent> {
    request(Method::GET, path)
}

/// A small upload, whole.
pub(super) fn whole_upload() -> Request<Sent> {
    let body = [CONTENT, END].concat();
    let length = body.len() as u64;
    upload(length, Full::new(Bytes::from(body)).boxed_unsync())
}

/// An upload that announces so many bytes, sends the first few and then nothing.
pub(super) fn begun_upload(length: u64) -> Request<Sent> {
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(CONTENT.as_bytes())))]);
    upload(length, StreamBody::new(first.chain(stream::pending())).boxed_unsync())
}

fn upload(length: u64, body: Sent) -> Request<Sent> {
    let mut request = request(Method::POST, UPLOAD).map(|_| body);
    let address = format!("{UPLOAD}?uuid={}", DatasetId::random());
    *request.uri_mut() = address.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("multipart/form-data; boundary=wearhouse"));
    if let Ok(token) = format!("Bearer {}", BASE64_URL_SAFE_NO_PAD.encode(TOKEN)).parse() {
        headers.insert(AUTHORIZATION, token);
    }
    request
}
