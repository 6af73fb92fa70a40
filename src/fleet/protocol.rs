//! How a watch uploads. A second way to do so is a second [`Protocol`], and nothing else changes.

use hyper::{
    Method, Request, Uri,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};

use super::{parcel::Parcel, recording::File};

const MULTIPART: HeaderValue = HeaderValue::from_static("multipart/form-data; boundary=simulated-watch-5d6f0c8e");
const BEFORE_NAME: &str = "--simulated-watch-5d6f0c8e\r\nContent-Disposition: form-data; name=\"file\"; filename=\"";
const BEHIND_NAME: &str = "\"\r\nContent-Type: application/octet-stream\r\nContent-Length: ";
const END: Bytes = Bytes::from_static(b"\r\n--simulated-watch-5d6f0c8e--\r\n");

/// A way to upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// What the app in the field does: one POST a file.
    Multipart,
}

/// A run as the server knows it.
pub(super) struct Upload {
    address: Uri,
    token: HeaderValue,
}

impl Protocol {
    /// What stays the same over a run.
    pub(super) fn begin(self, uuid: &str, token: &HeaderValue) -> Option<Upload> {
        let address = match self {
            Self::Multipart => format!("/recording/new/?uuid={uuid}"),
        };
        Some(Upload { address: address.parse().ok()?, token: token.clone() })
    }

    /// The request that brings a file. A 2xx in answer means that the file is safe.
    pub(super) fn request(self, upload: &Upload, file: &File) -> Request<Parcel> {
        let (method, kind, body) = match self {
            Self::Multipart => (Method::POST, MULTIPART, multipart(file)),
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        request.uri_mut().clone_from(&upload.address);
        request.headers_mut().insert(AUTHORIZATION, upload.token.clone());
        request.headers_mut().insert(CONTENT_TYPE, kind);
        request
    }
}

/// One part, as OkHttp writes it.
fn multipart(file: &File) -> Parcel {
    let head = [BEFORE_NAME, &file.name, BEHIND_NAME, &file.size().to_string(), "\r\n\r\n"].concat();
    Parcel::new([Bytes::from(head), file.common.clone(), file.own.clone(), END])
}
