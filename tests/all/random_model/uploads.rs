//! What devices do: they ask for a new dataset, and upload files.

use reqwest::{
    Method,
    multipart::{Form, Part},
};

use super::{
    context::{Context, Failure, Reply},
    history::{History, Moment, Span},
    model::{Dataset, DeviceIndex, File, FileKey, Model, OnErasure, Place, State},
    names, pages,
    pages::Receipt,
};
use crate::support::sha256;

/// After so many bytes a large file begins again.
const BLOCK: usize = 64 << 10;

/// What a file holds: bytes that no other file of another name, sender or dataset has, but for the empty ones.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// Files of one name differ by it; 0 is the empty file.
    pub variant: u8,
    pub size: usize,
}

pub async fn new_dataset(context: &Context, device: DeviceIndex) -> Result<Option<String>, Failure> {
    let request = context.ask_as(device, Method::GET, "/recording/new/").await;
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        model.unissued.insert(asked, device);
        asked
    };
    let Some(reply) = context.send(request, asked).await else { return Ok(None) };
    let mut model = context.model();
    match reply.status.as_u16() {
        200 if reply.is_whole => {
            model.unissued.remove(&asked);
            let answer: serde_json::Value = pages::json(&reply.body)?;
            let uuid = answer["uuid"].as_str().unwrap_or_default().to_owned();
            if model.datasets.contains_key(&uuid) {
                return Err(Failure::of(&uuid, "this UUID was issued before"));
            }
            model.add_dataset(&uuid, device, reply.head);
            drop(model);
            context.note(Some(&uuid), format!("issued to device {device}"));
            Ok(Some(uuid))
        }
        401 => {
            model.unissued.remove(&asked);
            may_be_revoked(&model, device, &reply).map(|()| None)
        }
        // The dataset is there or not.
        200 | 503 => Ok(None),
        _ => Err(reply.unexpected(None, "a new dataset")),
    }
}

pub async fn upload(context: &Context, device: DeviceIndex, uuid: &str, name: &str, file: Content) -> Result<(), Failure> {
    let bytes = file.bytes(device, uuid, name);
    let key = FileKey { sender: device, sent_name: name.to_owned(), sha256: sha256(&bytes) };
    let size = bytes.len() as u64;
    let part = Part::bytes(bytes).file_name(name.to_owned());
    let request = context.ask_as(device, Method::POST, &format!("/recording/new/?uuid={uuid}")).await;
    let request = request.multipart(Form::new().part("file", part));
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        dataset(&mut model, uuid)?.begin_upload(&key, size, asked);
        asked
    };
    let reply = context.send(request, asked).await;
    let text = reply.as_ref().map_or("no response".to_owned(), |reply| format!("{} {}", reply.status, reply.text()));
    context
        .note(Some(uuid), format!("device {device} uploads {name} (variant {}, {size} bytes), asked at {}: {text}", file.variant, asked.0));
    let Some(reply) = reply else { return Ok(()) };
    let mut model = context.model();
    match reply.status.as_u16() {
        200 if reply.is_whole => {
            let receipt: Receipt = pages::json(&reply.body)?;
            if receipt.uuid != uuid {
                return Err(reply.unexpected(Some(uuid), "a receipt of another dataset"));
            }
            dataset(&mut model, uuid)?.acknowledge(&key, &receipt, reply.head).map_err(|what| Failure::of(uuid, what))?;
            let may_be_let_in = model.devices[device].has_access.may_equal(reply.head, &true);
            if may_be_let_in { Ok(()) } else { Err(reply.unexpected(Some(uuid), "an upload of a device whose access is revoked")) }
        }
        401 => {
            if let Some(file) = dataset(&mut model, uuid)?.file(&key) {
                file.state.cancel(asked);
            }
            may_be_revoked(&model, device, &reply)
        }
        // It is kept or not; the device would send it again.
        200 | 503 => Ok(()),
        _ => Err(reply.unexpected(Some(uuid), "an upload")),
    }
}

fn may_be_revoked(model: &Model, device: DeviceIndex, reply: &Reply) -> Result<(), Failure> {
    if model.devices[device].has_access.may_equal(reply.head, &false) {
        Ok(())
    } else {
        Err(reply.unexpected(None, &format!("device {device} has access and is rejected")))
    }
}

pub fn dataset<'a>(model: &'a mut Model, uuid: &str) -> Result<&'a mut Dataset, Failure> {
    model.datasets.get_mut(uuid).ok_or_else(|| Failure::of(uuid, "this UUID was never issued"))
}

impl Content {
    fn bytes(self, sender: DeviceIndex, uuid: &str, name: &str) -> Vec<u8> {
        if self.variant == 0 {
            return Vec::new();
        }
        let mut bytes = format!("{uuid} {name} {sender} {}\n", self.variant).into_bytes();
        // Numbers as sensors write them: they deflate, and not to nothing. Deflate looks back over less than a block.
        let mut block = Vec::new();
        let mut number = u64::from(self.variant) + 1;
        while block.len() < self.size.min(BLOCK) {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            block.extend_from_slice(format!("{}\t{}\n", block.len(), number >> 32).as_bytes());
        }
        while bytes.len() < self.size {
            bytes.extend_from_slice(&block);
        }
        bytes
    }
}

impl Dataset {
    /// Where a new file goes.
    fn expected(&self, key: &FileKey, span: Span) -> State {
        match (self.is_always(Place::Erased, span), self.may_be(Place::Erased, span)) {
            (true, _) => State::Quarantined(OnErasure::Kept),
            (false, _) if self.is_plain(key) => State::Stored,
            (false, true) => State::Quarantined(OnErasure::Unknown),
            (false, false) => State::Quarantined(OnErasure::Erased),
        }
    }

    /// Takes down that a file is being sent, unless it is there for certain.
    fn begin_upload(&mut self, key: &FileKey, size: u64, asked: Moment) {
        let now = Span { from: asked, to: asked };
        let (state, may_be_erased) = (self.expected(key, now), self.may_be(Place::Erased, now));
        if self.file(key).is_none() {
            let (key, state) = (key.clone(), History::new(State::Absent));
            self.files.push(File { key, size, state, stored_as: None });
        }
        // Of a dataset that may be erased, a file that was there may have to be sent again.
        if let Some(file) = self.file(key)
            && (may_be_erased || file.state.may_equal(now, &State::Absent))
        {
            file.state.begin(state, asked);
        }
    }

    /// Checks a receipt, and takes down what it says.
    fn acknowledge(&mut self, key: &FileKey, receipt: &Receipt, span: Span) -> Result<(), String> {
        let is_plain = self.is_plain(key);
        let (may_be_erased, was_erased) = (self.may_be(Place::Erased, span), self.is_always(Place::Erased, span));
        let file = self.file(key).ok_or("no such file was sent")?;
        // What it says is known without what was expected.
        file.state.cancel(span.from);
        if receipt.name != key.sent_name || receipt.sha256 != key.sha256 || receipt.size != file.size {
            return Err(format!("{key:?} has another receipt: {receipt:?}"));
        }
        if receipt.quarantined == receipt.stored_as.is_some() {
            return Err(format!("neither stored nor quarantined, or both: {receipt:?}"));
        }
        let is_right_place = match (receipt.quarantined, receipt.new) {
            (false, false) => file.may_be_stored(span),
            (false, true) => is_plain && !was_erased,
            (true, _) => !is_plain || may_be_erased,
        };
        let may_be_new = may_be_erased || file.state.may_equal(span, &State::Absent);
        if !is_right_place || (receipt.new && !may_be_new) {
            return Err(format!("{key:?} must not have this receipt, {:?}: {receipt:?}", file.state));
        }
        let on_erasure = match (is_plain || was_erased, may_be_erased) {
            (true, _) => OnErasure::Kept,
            (false, true) => OnErasure::Unknown,
            (false, false) => OnErasure::Erased,
        };
        file.state.begin(if receipt.quarantined { State::Quarantined(on_erasure) } else { State::Stored }, span.from);
        file.state.confirm(span.from, span.to);
        receipt.stored_as.as_ref().map_or(Ok(()), |name| self.learn_name(key, name))
    }

    /// Whether a file goes into the dataset without a person's decision, if that is not erased.
    fn is_plain(&self, key: &FileKey) -> bool {
        key.sender == self.owner && names::is_listed(&key.sent_name)
    }
}
