//! The steps from a form to the file: preview, back to the form, save.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{Desk, Filled, Held, Note, standing};
use crate::{
    audit::Action,
    config::{Change, Changed, DiffLine, Kind, Refusal, Side, Source, Standing, Typed},
    http::{auth::Operator, error::Problem, html::Page, passwords::Admin},
    reload,
};

/// What a change makes of the file, before it is saved.
#[derive(Template)]
#[template(path = "admin/settings_preview.html")]
struct PreviewPage {
    admin: Admin,
    changed: Vec<Changed>,
    diff: Option<Vec<DiffLine>>,
    digest: String,
    draft: String,
    typed: Typed,
    held: Held,
}

pub(super) type SentForm = Result<Form<Vec<(String, String)>>, FormRejection>;

/// What a form comes to.
enum Outcome {
    /// A change that can be made.
    Change(Box<Change>, Filled),
    /// What to show instead.
    Answer(Response),
}

pub async fn preview(Operator(admin): Operator, State(desk): State<Desk>, form: SentForm) -> Result<Response, Problem> {
    let (source, standing, filled) = desk.take(admin, form).await?;
    match desk.look(&source, &standing, filled).await? {
        Outcome::Change(change, Filled { admin, key, digest, typed, held }) => {
            let (changed, diff) = (change.changed().to_vec(), change.diff());
            Ok(Page(PreviewPage { admin, changed, diff, digest, draft: key.1, typed, held }).into_response())
        }
        Outcome::Answer(answer) => Ok(answer),
    }
}

/// Back to the form, with what was typed.
pub async fn edit(Operator(admin): Operator, State(desk): State<Desk>, form: SentForm) -> Result<Response, Problem> {
    let (source, standing, filled) = desk.take(admin, form).await?;
    let note = if filled.held.gone.is_empty() { Note::Again } else { Note::Gone };
    desk.form(&source, &standing, filled, note, Refusal::default()).await
}

pub async fn save(Operator(admin): Operator, State(desk): State<Desk>, form: SentForm) -> Result<Response, Problem> {
    desk.save(admin, form).await
}

impl Desk {
    async fn save(&self, admin: Admin, form: SentForm) -> Result<Response, Problem> {
        let Some(source) = self.settings.source() else { return Err(no_file()) };
        let _turn = source.turn().await;
        let (source, standing, filled) = self.take(admin, form).await?;
        let is_over = filled.digest != standing.digest();
        if is_over && self.drafts.was_saved_over(&filled.key, &filled.digest) {
            return Ok(Redirect::to(&format!("/settings/?saved={}&again=true", filled.key.1)).into_response());
        }
        let (change, filled) = match self.look(&source, &standing, filled).await? {
            Outcome::Change(change, filled) => (change, filled),
            Outcome::Answer(answer) => return Ok(answer),
        };
        let changed = change.changed().to_vec();
        if let Err(error) = reload::save(&self.settings, &source, *change).await {
            let refusal = Refusal(HashMap::from([(String::new(), vec![format!("Nothing was saved: {error}")])]));
            let page = self.form(&source, &standing, filled, Note::Again, refusal).await?;
            return Ok((StatusCode::CONFLICT, page).into_response());
        }
        self.note(&filled.admin, &changed).await;
        self.drafts.save(&filled.key, filled.digest, changed);
        Ok(Redirect::to(&format!("/settings/?saved={}", filled.key.1)).into_response())
    }

    /// What stays of a change that was saved: names and no values.
    async fn note(&self, by: &Admin, changed: &[Changed]) {
        let names: Vec<_> = changed.iter().map(|changed| changed.name.clone()).collect();
        tracing::info!(changed = names.join(", "), by = by.name, "the config was changed on the settings page");
        self.audit.note_all(&by.name, Action::Configured, &names, "").await;
    }

    /// A form that was sent, and the file as it stands now.
    pub(super) async fn take(&self, admin: Admin, form: SentForm) -> Result<(Arc<Source>, Standing, Filled), Problem> {
        let Form(pairs) = form.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let source = self.settings.source().ok_or_else(no_file)?;
        let standing = standing(source).await?.map_err(|error| Problem::new(StatusCode::CONFLICT, error.to_string()))?;
        let mut typed: Typed = pairs.into_iter().collect();
        let (digest, draft) = (typed.remove("digest").unwrap_or_default(), typed.remove("draft").unwrap_or_default());
        let key = (admin.name.clone(), draft);
        let secret = secret_fields(&standing);
        let held = self.drafts.hold(&key, &mut typed, |name| secret.iter().any(|secret| secret == name));
        Ok((Arc::clone(source), standing, Filled { admin, key, digest, typed, held }))
    }

    /// What a form comes to with the file as it stands now.
    async fn look(&self, source: &Source, standing: &Standing, filled: Filled) -> Result<Outcome, Problem> {
        let mut typed = filled.typed.clone();
        typed.extend(filled.held.secrets.iter().map(|(name, (_, secret))| (name.clone(), secret.expose().to_owned())));
        let change = standing.change(&typed, &filled.admin.name);
        let (status, note, refusal) = match change {
            // What would be saved is not what was typed.
            _ if !filled.held.gone.is_empty() => (StatusCode::CONFLICT, Note::Gone, Refusal::default()),
            Ok(change) if change.changed().is_empty() => (StatusCode::OK, Note::NothingChanges, Refusal::default()),
            Ok(change) if filled.digest == standing.digest() => return Ok(Outcome::Change(Box::new(change), filled)),
            Ok(_) => (StatusCode::CONFLICT, Note::Conflict, Refusal::default()),
            Err(refusal) if filled.digest == standing.digest() => (StatusCode::UNPROCESSABLE_ENTITY, Note::Again, refusal),
            Err(refusal) => (StatusCode::CONFLICT, Note::Conflict, refusal),
        };
        let page = self.form(source, standing, filled, note, refusal).await?;
        Ok(Outcome::Answer((status, page).into_response()))
    }
}

/// The fields that no page shows again.
fn secret_fields(standing: &Standing) -> Vec<String> {
    let fields = standing.sections().into_iter().flat_map(|section| section.fields);
    let settings = fields.filter(|field| matches!(field.kind, Kind::Secret(_))).map(|field| field.name);
    let users = standing.users().into_iter().map(|(name, _)| format!("users.{name}.password"));
    settings.chain(users).chain(["new.password".to_owned()]).collect()
}

fn no_file() -> Problem {
    Problem::new(StatusCode::CONFLICT, "the server was started without a config file, so there is nothing to change")
}
