//! Settings: what stands in the config's file, as a form. What is typed is looked at as a whole, shown as a change of the file,
//! and only then saved and put in force.

mod drafts;
mod steps;
mod views;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{FromRef, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

pub use self::{
    drafts::Drafts,
    steps::{edit, preview, save},
};
use self::{
    drafts::Key,
    views::{SectionView, Sheet, UserView},
};
use crate::{
    audit::Audit,
    config::{Changed, Kind, OpenError, Refusal, Secret, SettingInForce, Settings, Source, Standing, Typed},
    handshake::Handshake,
    http::{App, auth::Operator, error::Problem, extract::Params, html::Page, passwords::Admin},
    storage::blocking,
};

/// What is in force, where it cannot be changed here.
#[derive(Template)]
#[template(path = "admin/settings.html")]
struct SettingsPage {
    admin: Admin,
    settings: Vec<SettingInForce>,
    locked_out: u64,
    why: String,
}

/// The file as a form.
#[derive(Template)]
#[template(path = "admin/settings_form.html")]
struct FormPage {
    admin: Admin,
    note: Note,
    problems: Vec<String>,
    /// The places of the page at which something is wrong.
    wrong: Vec<String>,
    sections: Vec<SectionView>,
    user_problems: Vec<String>,
    users: Vec<UserView>,
    one_more: UserView,
    digest: String,
    draft: String,
    path: String,
    locked_out: u64,
}

/// What a form is shown for.
enum Note {
    Plain,
    /// What was typed has mistakes, or somebody wants to go on typing.
    Again,
    /// The file is another one than the form was made from.
    Conflict,
    NothingChanges,
    Saved(Vec<Changed>),
}

/// What the handlers of this page work with.
#[derive(Clone)]
pub struct Desk {
    settings: Settings,
    handshake: Handshake,
    audit: Audit,
    drafts: Arc<Drafts>,
}

impl FromRef<App> for Desk {
    fn from_ref(app: &App) -> Self {
        Self { settings: app.settings.clone(), handshake: app.handshake.clone(), audit: app.audit.clone(), drafts: Arc::clone(&app.drafts) }
    }
}

/// Which form was saved a moment ago.
#[derive(Deserialize)]
pub struct Sent {
    saved: Option<String>,
    #[serde(default)]
    again: bool,
}

pub async fn page(Operator(admin): Operator, Params(sent): Params<Sent>, State(desk): State<Desk>) -> Result<Response, Problem> {
    let Some(source) = desk.settings.source() else {
        return desk.read_only(admin, "The server was started without a file, so nothing can be changed here".to_owned()).await;
    };
    let saved = sent.saved.and_then(|draft| desk.drafts.saved(&(admin.name.clone(), draft)));
    let note = match saved {
        Some(_) if sent.again => Note::NothingChanges,
        Some(changed) => Note::Saved(changed),
        None => Note::Plain,
    };
    match standing(source).await? {
        Ok(standing) => {
            let refusal = standing.change(&Typed::new(), &admin.name).err().unwrap_or_default();
            let filled = Filled { key: (admin.name.clone(), Drafts::fresh()), admin, digest: String::new(), typed: Typed::new() };
            desk.form(source, &standing, filled, note, refusal).await
        }
        Err(error) => desk.read_only(admin, error.to_string()).await,
    }
}

async fn standing(source: &Arc<Source>) -> Result<Result<Standing, OpenError>, Problem> {
    let source = Arc::clone(source);
    Ok(blocking(move || Standing::read(source.path())).await?)
}

/// A form that was sent.
struct Filled {
    admin: Admin,
    key: Key,
    digest: String,
    /// Without secrets.
    typed: Typed,
}

impl Desk {
    async fn read_only(&self, admin: Admin, why: String) -> Result<Response, Problem> {
        let locked_out = self.handshake.locked_out().await?;
        Ok(Page(SettingsPage { admin, settings: self.settings.now().in_force(), locked_out, why }).into_response())
    }

    /// The form, with what was typed and what is wrong with it.
    async fn form(&self, source: &Source, standing: &Standing, filled: Filled, note: Note, refusal: Refusal) -> Result<Response, Problem> {
        let secrets: BTreeMap<String, Secret> = self.drafts.secrets(&filled.key);
        let mut sheet = Sheet { standing, typed: &filled.typed, secrets: &secrets, refusal };
        let page = FormPage {
            wrong: sheet.wrong(),
            sections: sheet.sections(&self.settings, source),
            users: sheet.users(&filled.admin.name),
            one_more: sheet.one_more(),
            user_problems: sheet.problems("users"),
            problems: sheet.rest(),
            note,
            digest: standing.digest(),
            draft: filled.key.1,
            path: source.path().display().to_string(),
            locked_out: self.handshake.locked_out().await?,
            admin: filled.admin,
        };
        Ok(Page(page).into_response())
    }
}
