//! Settings: what stands in the config's file, as a form. What is typed is looked at as a whole, shown as a change of the file,
//! and only then saved and put in force.

mod drafts;
mod steps;
mod trial;
mod views;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{FromRef, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

pub use self::{
    drafts::Drafts,
    steps::{edit, preview, save},
    trial::trial,
};
use self::{
    drafts::{Held, Key},
    views::{SectionView, Sheet, UserView},
};
use crate::{
    alerts::{AlertError, Alerts},
    audit::Audit,
    config::{Changed, Kind, OpenError, Refusal, SettingInForce, Settings, Source, Standing, Typed},
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
    held: Held,
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
    /// Secrets that were typed are not in memory any more.
    Gone,
    NothingChanges,
    Saved(Vec<Changed>),
    /// A test message was sent, or was not.
    Tried(Result<(), AlertError>),
}

/// What the handlers of this page work with.
#[derive(Clone)]
pub struct Desk {
    settings: Settings,
    handshake: Handshake,
    audit: Audit,
    alerts: Alerts,
    drafts: Arc<Drafts>,
}

impl FromRef<App> for Desk {
    fn from_ref(app: &App) -> Self {
        Self {
            settings: app.settings.clone(),
            handshake: app.handshake.clone(),
            audit: app.audit.clone(),
            alerts: app.alerts.clone(),
            drafts: Arc::clone(&app.drafts),
        }
    }
}

/// Which form was saved a moment ago.
#[derive(Deserialize)]
pub struct JustSaved {
    saved: Option<String>,
    #[serde(default)]
    again: bool,
}

pub async fn page(Operator(admin): Operator, Params(just): Params<JustSaved>, State(desk): State<Desk>) -> Result<Response, Problem> {
    let Some(source) = desk.settings.source() else {
        return desk.read_only(admin, "The server was started without a file, so nothing can be changed here".to_owned()).await;
    };
    let saved = just.saved.and_then(|draft| desk.drafts.saved(&(admin.name.clone(), draft)));
    let note = match saved {
        Some(_) if just.again => Note::NothingChanges,
        Some(changed) => Note::Saved(changed),
        None => Note::Plain,
    };
    match standing(source).await? {
        Ok(standing) => {
            let refusal = standing.change(&Typed::new(), &admin.name).err().unwrap_or_default();
            let filled = Filled {
                key: (admin.name.clone(), Drafts::fresh()),
                admin,
                digest: String::new(),
                typed: Typed::new(),
                held: Held::default(),
            };
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
    held: Held,
}

impl Desk {
    async fn read_only(&self, admin: Admin, why: String) -> Result<Response, Problem> {
        let locked_out = self.handshake.locked_out().await?;
        Ok(Page(SettingsPage { admin, settings: self.settings.now().in_force(), locked_out, why }).into_response())
    }

    /// The form, with what was typed and what is wrong with it.
    async fn form(&self, source: &Source, standing: &Standing, filled: Filled, note: Note, refusal: Refusal) -> Result<Response, Problem> {
        let mut sheet = Sheet { standing, typed: &filled.typed, held: &filled.held, refusal };
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
            held: filled.held,
            path: source.path().display().to_string(),
            locked_out: self.handshake.locked_out().await?,
            admin: filled.admin,
        };
        Ok(Page(page).into_response())
    }
}
