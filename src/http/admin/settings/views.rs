//! The settings as a form shows them: what stands in the file, what was typed, and what is wrong with it.

use std::collections::HashMap;

use super::drafts::Held;
use crate::config::{Field, Kind, Refusal, Role, Settings, Source, Standing, Typed};

/// A section of the form.
pub struct SectionView {
    pub name: String,
    pub explanation: String,
    pub fields: Vec<FieldView>,
}

/// A field of the form.
pub struct FieldView {
    pub field: Field,
    /// What stands in it.
    pub shown: String,
    pub problems: Vec<String>,
    /// What is in force, where that is something else than the file says.
    pub in_force: Option<String>,
    /// Whether a secret was typed, and is kept.
    pub held: bool,
    /// Whether the secret is to be taken away.
    pub removed: bool,
}

/// A user's row of the form.
pub struct UserView {
    pub name: String,
    /// The role in the file.
    pub was: &'static str,
    pub role: String,
    pub problems: Vec<String>,
    pub held: bool,
    pub removed: bool,
    /// Whether this is who looks at the page.
    pub me: bool,
}

/// Everything that a form is made of.
pub struct Sheet<'a> {
    pub standing: &'a Standing,
    pub typed: &'a Typed,
    pub held: &'a Held,
    pub refusal: Refusal,
}

impl Sheet<'_> {
    pub fn sections(&mut self, settings: &Settings, source: &Source) -> Vec<SectionView> {
        let in_force = waiting(self.standing, settings, source);
        let sections = self.standing.sections().into_iter();
        let mut views = Vec::new();
        for section in sections {
            let fields = section.fields.into_iter().map(|field| self.field(field, &in_force)).collect();
            views.push(SectionView { name: section.name, explanation: section.explanation, fields });
        }
        views
    }

    fn field(&mut self, field: Field, in_force: &HashMap<String, String>) -> FieldView {
        FieldView {
            shown: field.shown(self.typed).to_owned(),
            problems: self.problems(&field.name),
            in_force: in_force.get(&field.name).cloned(),
            held: self.held.secrets.contains_key(&field.name),
            removed: self.typed.contains_key(&format!("{}.remove", field.name)),
            field,
        }
    }

    pub fn users(&mut self, me: &str) -> Vec<UserView> {
        let mut views = Vec::new();
        for (name, role) in self.standing.users() {
            let row = format!("users.{name}");
            let keys = ["", ".name", ".role", ".password"];
            let problems = keys.iter().flat_map(|key| self.problems(&format!("{row}{key}"))).collect();
            let was = word(role);
            let typed = self.typed.get(&format!("{row}.role")).filter(|role| Some(*role) != self.typed.get(&format!("was:{row}.role")));
            views.push(UserView {
                was,
                role: typed.map_or(was, String::as_str).to_owned(),
                problems,
                held: self.held.secrets.contains_key(&format!("{row}.password")),
                removed: self.typed.contains_key(&format!("{row}.remove")),
                me: name == me,
                name,
            });
        }
        views
    }

    /// The row for one more user.
    pub fn one_more(&mut self) -> UserView {
        let text = |key: &str| self.typed.get(&format!("new.{key}")).cloned();
        let (name, role) = (text("name").unwrap_or_default(), text("role").unwrap_or_else(|| word(Some(Role::Researcher)).to_owned()));
        let problems = ["new", "new.name", "new.role", "new.password"].iter().flat_map(|field| self.problems(field)).collect();
        UserView { name, was: "", role, problems, held: self.held.secrets.contains_key("new.password"), removed: false, me: false }
    }

    pub fn problems(&mut self, field: &str) -> Vec<String> {
        self.refusal.0.remove(field).unwrap_or_default()
    }

    /// The places of the page at which something is wrong.
    pub fn wrong(&self) -> Vec<String> {
        let settings = self.standing.sections().into_iter().flat_map(|section| section.fields).map(|field| field.name);
        let mut wrong: Vec<_> = settings.filter(|name| self.refusal.0.contains_key(name)).collect();
        if self.refusal.0.keys().any(|field| field.starts_with("users") || field.starts_with("new")) {
            wrong.push("section-users".to_owned());
        }
        wrong
    }

    /// What is wrong and stands at no field.
    pub fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refusal.0).into_values().flatten().collect()
    }
}

fn word(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Researcher) => "researcher",
        Some(Role::Operator) => "operator",
        None => "",
    }
}

/// What is in force of the settings of which the file says something else.
fn waiting(standing: &Standing, settings: &Settings, source: &Source) -> HashMap<String, String> {
    let Ok(config) = standing.config() else { return HashMap::new() };
    let file = source.over(config).in_force();
    let now = settings.now().in_force().into_iter();
    now.zip(file).filter(|(now, file)| now != file).map(|(now, _)| (now.name, now.value)).collect()
}

impl UserView {
    /// What the names of a user's fields begin with.
    pub fn row(&self) -> String {
        format!("users.{}", self.name)
    }
}

impl FieldView {
    /// Whether something else stands in the field than in the file.
    pub fn differs(&self) -> bool {
        self.field.kind != Kind::ByHand && self.shown.trim() != self.field.value.trim()
    }

    /// Rows for a list: its items, and one more.
    pub fn rows(&self) -> usize {
        (self.shown.lines().count() + 1).clamp(2, 12)
    }

    /// The ids of what describes the field.
    pub fn described(&self) -> String {
        let name = &self.field.name;
        if self.problems.is_empty() { format!("about-{name}") } else { format!("about-{name} wrong-{name}") }
    }

    pub fn is_secret(&self) -> bool {
        matches!(self.field.kind, Kind::Secret(_))
    }
}
