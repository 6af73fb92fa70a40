//! What researchers and operators change: trash, descriptions, quarantine, access.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{
    context::{Context, Failure, Reply},
    history::{History, Moment, Span},
    lists,
    model::{Dataset, DeviceIndex, FileKey, Model, Place, Reader, State, TAGS},
    pages,
    pages::{DatasetJson, ERASED, QuarantinedFile},
    uploads::dataset,
};

/// The qualities that datasets get; none takes a rating back.
pub const QUALITIES: [Option<&str>; 3] = [None, Some("usable"), Some("doubtful")];

/// Deletes a dataset.
pub async fn delete(context: &Context, reader: Reader, uuid: &str) -> Result<(), Failure> {
    let request = context.ask(reader, Method::DELETE, &format!("/api/v1/datasets/{uuid}")).await;
    change(context, request, uuid, &format!("{reader:?} deletes it"), |dataset| &mut dataset.place, Place::Trash).await
}

pub async fn restore(context: &Context, reader: Reader, uuid: &str) -> Result<(), Failure> {
    let request = context.ask(reader, Method::POST, &format!("/api/v1/datasets/{uuid}/restore")).await;
    change(context, request, uuid, &format!("{reader:?} restores it"), |dataset| &mut dataset.place, Place::Live).await
}

/// Rates a dataset, or takes the rating back.
pub async fn rate(context: &Context, reader: Reader, uuid: &str, quality: Option<&'static str>) -> Result<(), Failure> {
    let form = [("verdict", quality.unwrap_or("none"))];
    let request = context.ask(reader, Method::POST, &format!("/recording/{uuid}/say")).await.form(&form);
    change(context, request, uuid, &format!("{reader:?} rates it {quality:?}"), |dataset| &mut dataset.quality, quality).await
}

/// Adds a tag of [`TAGS`], or removes it.
pub async fn tag(context: &Context, reader: Reader, uuid: &str, tag: usize, is_on: bool) -> Result<(), Failure> {
    let form = [(if is_on { "tag" } else { "untag" }, TAGS[tag])];
    let request = context.ask(reader, Method::POST, &format!("/recording/{uuid}/say")).await.form(&form);
    change(context, request, uuid, &format!("{reader:?} sets the tag {tag}: {is_on}"), |dataset| &mut dataset.tags[tag], is_on).await
}

/// One value of a dataset, changed by one request that is accepted unless the dataset is erased.
async fn change<V: PartialEq>(
    context: &Context,
    request: RequestBuilder,
    uuid: &str,
    what: &str,
    history: impl Fn(&mut Dataset) -> &mut History<V>,
    value: V,
) -> Result<(), Failure> {
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        history(dataset(&mut model, uuid)?).begin(value, asked);
        asked
    };
    let reply = context.send(request, asked).await;
    note(context, uuid, what, asked, reply.as_ref());
    let Some(reply) = reply else { return Ok(()) };
    let mut model = context.model();
    let dataset = dataset(&mut model, uuid)?;
    match reply.status.as_u16() {
        204 | 303 => history(dataset).confirm(asked, reply.head.to),
        404 => {
            history(dataset).cancel(asked);
            if !dataset.may_be(Place::Erased, reply.head) {
                return Err(reply.unexpected(Some(uuid), what));
            }
        }
        503 => {}
        _ => return Err(reply.unexpected(Some(uuid), what)),
    }
    Ok(())
}

/// Deletes several datasets with one form.
pub async fn delete_many(context: &Context, reader: Reader, uuids: &[String]) -> Result<(), Failure> {
    let form: Vec<_> = uuids.iter().map(|uuid| ("uuid", uuid.as_str())).chain([("act", "delete")]).collect();
    let request = context.ask(reader, Method::POST, "/recording/bulk").await.form(&form);
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        for uuid in uuids {
            dataset(&mut model, uuid)?.place.begin(Place::Trash, asked);
        }
        asked
    };
    let reply = context.send(request, asked).await;
    for uuid in uuids {
        note(context, uuid, &format!("{reader:?} deletes it among {}", uuids.len()), asked, reply.as_ref());
    }
    let Some(reply) = reply else { return Ok(()) };
    let mut model = context.model();
    for uuid in uuids {
        match reply.status.as_u16() {
            303 => dataset(&mut model, uuid)?.place.confirm(asked, reply.head.to),
            503 => {}
            _ => return Err(reply.unexpected(Some(uuid), "many are deleted")),
        }
    }
    Ok(())
}

/// Erases a dataset that is in the trash.
pub async fn erase(context: &Context, uuid: &str) -> Result<(), Failure> {
    let request = context.ask(Reader::Operator, Method::DELETE, &format!("/api/v1/trash/{uuid}")).await;
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        dataset(&mut model, uuid)?.place.begin(Place::Erased, asked);
        asked
    };
    let reply = context.send(request, asked).await;
    note(context, uuid, "the operator erases it", asked, reply.as_ref());
    let Some(reply) = reply else { return Ok(()) };
    let mut model = context.model();
    let dataset = dataset(&mut model, uuid)?;
    match reply.status.as_u16() {
        204 => dataset.place.confirm(asked, reply.head.to),
        409 => {
            dataset.place.cancel(asked);
            if dataset.is_always(Place::Trash, reply.head) {
                return Err(reply.unexpected(Some(uuid), "it was in the trash"));
            }
        }
        503 => {}
        _ => return Err(reply.unexpected(Some(uuid), "it is erased")),
    }
    Ok(())
}

/// Reads a dataset, and gives it another title and description.
pub async fn describe(context: &Context, reader: Reader, uuid: &str, title: &str, description: &str) -> Result<(), Failure> {
    let path = format!("/api/v1/datasets/{uuid}");
    let read = context.ask(reader, Method::GET, &path).await;
    let Some(read) = context.send_now(read).await else { return Ok(()) };
    if read.status != 200 || !read.is_whole {
        return Ok(());
    }
    let revision = pages::json::<DatasetJson>(&read.body)?.revision;
    let body = json!({"revision": revision, "title": title, "description": description});
    let request = context.ask(reader, Method::PATCH, &path).await.json(&body);
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        let dataset = dataset(&mut model, uuid)?;
        dataset.title.begin(title.to_owned(), asked);
        dataset.description.begin(description.to_owned(), asked);
        asked
    };
    let reply = context.send(request, asked).await;
    note(context, uuid, &format!("{reader:?} describes it as {title:?}, {description:?}"), asked, reply.as_ref());
    let Some(reply) = reply else { return Ok(()) };
    let mut model = context.model();
    let dataset = dataset(&mut model, uuid)?;
    match reply.status.as_u16() {
        200 => {
            dataset.title.confirm(asked, reply.head.to);
            dataset.description.confirm(asked, reply.head.to);
            return Ok(());
        }
        409 | 404 => {
            dataset.title.cancel(asked);
            dataset.description.cancel(asked);
        }
        503 => return Ok(()),
        _ => return Err(reply.unexpected(Some(uuid), "it is described")),
    }
    let edited_since = dataset.title.is_written_after(read.head.from);
    match reply.status.as_u16() {
        409 if edited_since => Ok(()),
        404 if dataset.may_be(Place::Erased, reply.head) => Ok(()),
        _ => Err(reply.unexpected(Some(uuid), "it is described")),
    }
}

/// What a person decides over a file in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Release,
    Discard,
}

/// Reads the quarantine, and decides over one of its files as this reader, who may not be allowed to see it.
pub async fn decide(context: &Context, reader: Reader, decision: Decision, nth: usize) -> Result<(), Failure> {
    let listed = context.model().now().from;
    let Some(quarantined) = lists::quarantine(context, Reader::Operator, lists::Meanwhile::Requests).await? else { return Ok(()) };
    let Some(file) = quarantined.get(nth % quarantined.len().max(1)) else { return Ok(()) };
    let (verb, state) = match decision {
        Decision::Release => ("release", State::Stored),
        Decision::Discard => ("discard", State::Absent),
    };
    let request = context.ask(reader, Method::POST, &format!("/api/v1/quarantine/{}/{verb}", file.id)).await;
    let (key, asked) = {
        let mut model = context.model();
        let key = key_of(&model, file)?;
        let asked = model.tick();
        if let Some(file) = dataset(&mut model, &file.dataset)?.file(&key) {
            file.state.begin(state, asked);
        }
        (key, asked)
    };
    let reply = context.send(request, asked).await;
    note(context, &file.dataset, &format!("{reader:?} decides {decision:?} over {key:?}"), asked, reply.as_ref());
    let Some(reply) = reply else { return Ok(()) };
    let mut model = context.model();
    let is_hidden = !model.always_sees(reader, &super::names::stored(&key.sent_name), reply.last_look);
    let is_seen = model.may_see(reader, &super::names::stored(&key.sent_name), reply.last_look);
    let dataset = dataset(&mut model, &file.dataset)?;
    let may_be_erased = dataset.may_be(Place::Erased, reply.head);
    let Some(known) = dataset.file(&key) else { return Ok(()) };
    let is_allowed = match reply.status.as_u16() {
        // It may be the file that is erased with its dataset, and not the one that was sent again: a full check finds that out.
        204 if may_be_erased && file.reason != ERASED => is_seen,
        204 => {
            known.state.confirm(asked, reply.head.to);
            is_seen
        }
        503 => true,
        status => {
            known.state.cancel(asked);
            match status {
                403 => is_hidden,
                404 => {
                    // It may have been discarded since it was listed, and sent again.
                    let since = Span { from: listed, to: reply.head.to };
                    may_be_erased || !known.state.is_always(since, |state| matches!(state, State::Quarantined(_)))
                }
                409 => may_be_erased && decision == Decision::Release,
                _ => false,
            }
        }
    };
    if is_allowed { Ok(()) } else { Err(reply.unexpected(Some(&file.dataset), &format!("{decision:?} over {key:?}"))) }
}

/// The file that a line of the quarantine is about.
pub fn key_of(model: &Model, file: &QuarantinedFile) -> Result<FileKey, Failure> {
    let sender = model.devices.iter().position(|device| Some(&device.id) == file.device.as_ref());
    let sender = sender.ok_or_else(|| Failure::of(&file.dataset, format!("a file of an unknown device: {file:?}")))?;
    Ok(FileKey { sender, sent_name: file.sent_name.clone(), sha256: file.sha256.clone() })
}

/// Revokes a device's access, or restores it.
pub async fn set_access(context: &Context, device: DeviceIndex, has_access: bool) -> Result<(), Failure> {
    let verb = if has_access { "restore" } else { "revoke" };
    let id = context.model().devices[device].id.clone();
    let request = context.ask(Reader::Operator, Method::POST, &format!("/api/v1/devices/{id}/{verb}")).await;
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        model.devices[device].has_access.begin(has_access, asked);
        asked
    };
    let reply = context.send(request, asked).await;
    context.note(None, format!("access of device {device}: {verb}, asked at {}: {:?}", asked.0, reply.as_ref().map(|reply| reply.status)));
    let Some(reply) = reply else { return Ok(()) };
    match reply.status.as_u16() {
        204 => context.model().devices[device].has_access.confirm(asked, reply.head.to),
        503 => {}
        _ => return Err(reply.unexpected(None, verb)),
    }
    Ok(())
}

fn note(context: &Context, uuid: &str, what: &str, asked: Moment, reply: Option<&Reply>) {
    let answer = reply.map_or("no response".to_owned(), |reply| format!("{} at {}", reply.status, reply.head.to.0));
    context.note(Some(uuid), format!("{what}, asked at {}: {answer}", asked.0));
}
