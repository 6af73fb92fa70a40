//! Zips: of one dataset, the rest of one, of many datasets while they are sent; and single files.

use std::{collections::BTreeMap, io::Cursor, time::Instant};

use reqwest::Method;

use super::{
    context::{Context, Failure, Reply, ServerRun},
    history::Span,
    model::{Dataset, File, Model, Place, Reader},
    names,
    server::ZIP_WAIT,
    uploads::dataset,
};
use crate::support::sha256;

/// The name of the description in a zip.
const README: &str = "README.md";

/// What a zip holds: digests by the names of the entries, and the text of its description.
struct Zip {
    files: BTreeMap<String, String>,
    readme: Option<String>,
}

/// Asks for a dataset's zip, and checks it.
pub async fn zip(context: &Context, reader: Reader, uuid: &str) -> Result<(), Failure> {
    ask(context, reader, uuid).await.map(|_| ())
}

/// Asks for a dataset's zip and reads no body: the server builds it.
pub async fn build(context: &Context, uuid: &str) -> Result<(), Failure> {
    let request = context.ask(Reader::Operator, Method::HEAD, &format!("/uploads/zips/{uuid}.zip")).await;
    let reply = context.send_now(request).await;
    context.note(Some(uuid), format!("its zip is built: {:?}", reply.map(|reply| reply.status)));
    Ok(())
}

/// Asks for a dataset's zip and then for the rest of it from a byte on, as a download that is continued does.
pub async fn rest_of_zip(context: &Context, reader: Reader, uuid: &str, percent: usize) -> Result<(), Failure> {
    let Some(begun) = ask(context, reader, uuid).await? else { return Ok(()) };
    let from = (begun.body.len() * percent / 100).max(1);
    let request = context.ask(reader, Method::GET, &format!("/uploads/zips/{uuid}.zip")).await;
    let request = request.header("range", format!("bytes={from}-")).header("if-range", begun.etag.clone().unwrap_or_default());
    let run = context.run();
    let sent = Instant::now();
    let Some(reply) = context.send_now(request).await else { return Ok(()) };
    context
        .note(Some(uuid), format!("{reader:?} continues its zip, asked at {}: {} at {}", reply.head.from.0, reply.status, reply.head.to.0));
    let mut model = context.model();
    if reply.status != 206 {
        return check_reply(context, &mut model, uuid, &reply, run, sent);
    }
    if reply.is_whole && reply.body != begun.body[from..] {
        return Err(Failure::of(uuid, format!("the rest of the zip from byte {from} on is not the rest of {:?}", begun.etag)));
    }
    // It holds what the begun one holds: that must be allowed now, but may be stale.
    let zip = Zip::parse(&begun.body).map_err(|what| Failure::of(uuid, what))?;
    zip.check_allowed(&mut model, uuid, reply.head, reply.last_look).map_err(|what| Failure::of(uuid, format!("the rest of a zip: {what}")))
}

async fn ask(context: &Context, reader: Reader, uuid: &str) -> Result<Option<Reply>, Failure> {
    let request = context.ask(reader, Method::GET, &format!("/uploads/zips/{uuid}.zip")).await;
    let run = context.run();
    let sent = Instant::now();
    let Some(reply) = context.send_now(request).await else { return Ok(None) };
    context.note(Some(uuid), format!("{reader:?} asks for its zip at {}: {} at {}", reply.head.from.0, reply.status, reply.head.to.0));
    let mut model = context.model();
    check_reply(context, &mut model, uuid, &reply, run, sent)?;
    Ok((reply.status == 200 && reply.is_whole).then_some(reply))
}

fn check_reply(context: &Context, model: &mut Model, uuid: &str, reply: &Reply, run: ServerRun, sent: Instant) -> Result<(), Failure> {
    match reply.status.as_u16() {
        200 if reply.is_whole => {
            let zip = Zip::parse(&reply.body).map_err(|what| Failure::of(uuid, what))?;
            let checked = zip.check_allowed(model, uuid, reply.head, reply.last_look);
            checked.and_then(|()| zip.check_complete(model, uuid, reply.head)).map_err(|what| Failure::of(uuid, format!("a zip: {what}")))
        }
        // The server was killed.
        200 => Ok(()),
        404 if may_have_no_zip(model, uuid, reply)? => Ok(()),
        503 if sent.elapsed().as_secs() >= ZIP_WAIT || !run.lasts_until(context.run()) => Ok(()),
        _ => Err(reply.unexpected(Some(uuid), "its zip")),
    }
}

fn may_have_no_zip(model: &mut Model, uuid: &str, reply: &Reply) -> Result<bool, Failure> {
    let is_live = dataset(model, uuid)?.is_always(Place::Live, reply.head);
    let dataset = dataset(model, uuid)?;
    let names: Vec<_> = dataset.files.iter().filter(|file| file.is_always_stored(reply.head)).map(File::name).collect();
    Ok(!is_live || !names.iter().any(|name| model.always_sees(Reader::Researcher, name, reply.head)))
}

/// Asks for several datasets in one zip.
pub async fn many(context: &Context, reader: Reader, uuids: &[String]) -> Result<(), Failure> {
    let query: Vec<_> = uuids.iter().map(|uuid| format!("uuid={uuid}")).collect();
    let request = context.ask(reader, Method::GET, &format!("/api/v1/datasets.zip?{}", query.join("&"))).await;
    let Some(reply) = context.send_now(request).await else { return Ok(()) };
    for uuid in uuids {
        let (asked, answered) = (reply.head.from.0, reply.head.to.0);
        context.note(Some(uuid), format!("{reader:?} asks for it in a zip of many at {asked}: {} at {answered}", reply.status));
    }
    let mut model = context.model();
    match reply.status.as_u16() {
        // The server was killed, or broke it off since something must not be sent any more.
        200 if !reply.is_whole => Ok(()),
        200 => {
            let whole = Zip::parse(&reply.body)?;
            for uuid in uuids {
                let zip = whole.folder(uuid);
                let checked = zip.check_allowed(&mut model, uuid, reply.head, reply.last_look);
                let is_live = dataset(&mut model, uuid)?.is_always(Place::Live, reply.head);
                let checked = checked.and_then(|()| if is_live { zip.check_complete(&mut model, uuid, reply.head) } else { Ok(()) });
                checked.map_err(|what| Failure::of(uuid, format!("a zip of many: {what}")))?;
            }
            match whole.files.keys().find(|name| !uuids.iter().any(|uuid| name.starts_with(uuid.as_str()))) {
                Some(name) => Err(Failure::new(format!("a zip of many holds {name}, whose dataset was not requested"))),
                None => Ok(()),
            }
        }
        404 => {
            for uuid in uuids {
                if !may_have_no_zip(&mut model, uuid, &reply)? {
                    return Err(reply.unexpected(Some(uuid), "it is not in a zip of many"));
                }
            }
            Ok(())
        }
        503 => Ok(()),
        _ => Err(reply.unexpected(None, "a zip of many")),
    }
}

/// Asks for one of the files of a dataset.
pub async fn file(context: &Context, reader: Reader, uuid: &str, nth: usize) -> Result<(), Failure> {
    let (name, key) = {
        let mut model = context.model();
        let dataset = dataset(&mut model, uuid)?;
        let named: Vec<_> = dataset.files.iter().filter_map(|file| Some((file.stored_as.clone()?, file.key.clone()))).collect();
        let Some(chosen) = named.get(nth % named.len().max(1)) else { return Ok(()) };
        chosen.clone()
    };
    let request = context.ask(reader, Method::GET, &format!("/uploads/{}/{uuid}/{name}", names::folder(&name))).await;
    let Some(reply) = context.send_now(request).await else { return Ok(()) };
    context.note(Some(uuid), format!("{reader:?} asks for {name} at {}: {} at {}", reply.head.from.0, reply.status, reply.head.to.0));
    let mut model = context.model();
    let (may_see, always_sees) = (model.may_see(reader, &name, reply.last_look), model.always_sees(reader, &name, reply.head));
    let dataset = dataset(&mut model, uuid)?;
    let (may_be_live, is_live) = (dataset.may_be(Place::Live, reply.last_look), dataset.is_always(Place::Live, reply.head));
    let is_stored = dataset.file(&key).is_some_and(|file| file.is_always_stored(reply.head));
    let is_right = match reply.status.as_u16() {
        200 => may_be_live && may_see && (!reply.is_whole || sha256(&reply.body) == key.sha256),
        403 => !always_sees,
        404 => !is_live || !is_stored,
        503 => true,
        _ => false,
    };
    if is_right { Ok(()) } else { Err(Failure::of(uuid, format!("{reader:?} got {} for {name}", reply.status))) }
}

impl Zip {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let broken = |error: &dyn std::fmt::Display| format!("a zip is broken: {error}");
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
        let mut zip = Self { files: BTreeMap::new(), readme: None };
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|error| broken(&error))?;
            let name = entry.name().map_err(|error| broken(&error))?.into_owned();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).map_err(|error| broken(&error))?;
            if name == README {
                zip.readme = Some(String::from_utf8_lossy(&bytes).into_owned());
            } else if name.ends_with(&format!("/{README}")) {
                zip.files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            } else if zip.files.insert(name.clone(), sha256(&bytes)).is_some() {
                return Err(format!("two entries are called {name}"));
            }
        }
        Ok(zip)
    }

    /// What is in one folder of a zip of many.
    fn folder(&self, uuid: &str) -> Self {
        let inside = |(name, digest): (&String, &String)| Some((name.strip_prefix(uuid)?.strip_prefix('/')?.to_owned(), digest.clone()));
        let mut files: BTreeMap<_, _> = self.files.iter().filter_map(inside).collect();
        let readme = files.remove(README);
        Self { files, readme }
    }

    /// Nothing is in it that must not be.
    fn check_allowed(&self, model: &mut Model, uuid: &str, head: Span, last_look: Span) -> Result<(), String> {
        if self.files.is_empty() {
            return Ok(());
        }
        for (entry, digest) in &self.files {
            let name = entry.strip_prefix("tf_models/").unwrap_or(entry);
            if !model.may_see(Reader::Researcher, name, last_look) {
                return Err(format!("it holds {name}, which the privacy rule keeps from researchers since before the question"));
            }
            let dataset = model.datasets.get_mut(uuid).ok_or("no dataset")?;
            let file = dataset.stored(name, digest, head)?;
            if names::entry(&file.name()) != *entry {
                return Err(format!("{entry} is in the wrong folder"));
            }
        }
        let dataset = model.datasets.get(uuid).ok_or("no dataset")?;
        if !dataset.may_be(Place::Live, last_look) {
            return Err(format!("it was sent, and the dataset is deleted: {:?}", dataset.place));
        }
        Ok(())
    }

    /// Everything is in it that was acknowledged before the question, and the description that was in force.
    fn check_complete(&self, model: &mut Model, uuid: &str, head: Span) -> Result<(), String> {
        let dataset = model.datasets.get(uuid).ok_or("no dataset")?;
        for file in &dataset.files {
            let name = file.name();
            let is_expected = file.is_always_stored(head) && model.always_sees(Reader::Researcher, &name, head);
            let is_there = match &file.stored_as {
                Some(name) => self.files.contains_key(&names::entry(name)),
                None => self.files.values().any(|digest| *digest == file.key.sha256),
            };
            if is_expected && !is_there {
                return Err(format!("it lacks {name}, which was acknowledged before the question: {file:?}"));
            }
        }
        let is_right = dataset.readmes(head).contains(&self.readme);
        if is_right || self.files.is_empty() {
            Ok(())
        } else {
            Err(format!("its {README} is {:?}, of {:?}", self.readme, dataset.readmes(head)))
        }
    }
}

impl Dataset {
    /// The texts that the description in a zip may have.
    fn readmes(&self, span: Span) -> Vec<Option<String>> {
        let mut texts = Vec::new();
        for title in self.title.possible(span) {
            for description in self.description.possible(span) {
                let heading = if title.is_empty() { String::new() } else { format!("# {title}") };
                let parts: Vec<_> = [heading, description.clone()].into_iter().filter(|part| !part.is_empty()).collect();
                texts.push((!parts.is_empty()).then(|| parts.join("\n\n") + "\n"));
            }
        }
        texts
    }
}
