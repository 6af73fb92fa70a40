//! From what a person typed to another text of the file: looked at as a whole before anything is written.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use serde_yaml::{Mapping, Value};

use super::{
    Config, OpenError, Problems,
    diagnose::out_of_range,
    diff::{self, DiffLine},
    edit::{self, Edit},
    file::{Draft, folder_of},
    form::{Field, Kind, Section, Standing},
    in_force::show,
};

/// What was typed, by the name of its field. `limits.stall_seconds` is a setting, and `was:limits.stall_seconds` what the form
/// showed of it: what was not touched is not changed. A secret's field is empty where it stays, and `….remove` takes it
/// away. Of a user there are `users.NAME.role`, `users.NAME.password` and `users.NAME.remove`; of one more, `new.name` and so on.
pub type Typed = BTreeMap<String, String>;

/// One setting that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its name, or whom it is about.
    pub name: String,
    /// From what to what; no secret is in it.
    pub what: String,
    /// Whether it waits for the next start.
    pub waits: bool,
}

/// Another text of the file, which says what was wanted.
pub struct Change {
    path: PathBuf,
    before: String,
    edited: String,
    wanted: Config,
    changed: Vec<Changed>,
}

/// Why nothing can be made of what was typed: sentences, by the name of the field. Those of the file as a whole stand under
/// the empty name.
#[derive(Debug, Default)]
pub struct Refusal(pub HashMap<String, Vec<String>>);

impl Refusal {
    fn say(&mut self, field: impl Into<String>, sentence: impl Into<String>) {
        self.0.entry(field.into()).or_default().push(sentence.into());
    }
}

impl Change {
    /// What the config will say. A password may stand there in clear still.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.wanted
    }

    /// What changes; empty if nothing does.
    #[must_use]
    pub fn changed(&self) -> &[Changed] {
        &self.changed
    }

    /// What changes in the file, line by line, without its secrets. `None` where they cannot be told from the rest.
    #[must_use]
    pub fn diff(&self) -> Option<Vec<DiffLine>> {
        diff::without_secrets(&self.before, &self.edited)
    }

    /// Writes the file, each clear password as its hash.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then as it was.
    pub fn accept(self) -> Result<Config, OpenError> {
        Draft::changed(self.path, self.before).write(&self.edited, &self.wanted)
    }
}

/// The change as it grows: the text, and what it must say.
struct Growing<'a> {
    text: String,
    wanted: Mapping,
    changed: Vec<Changed>,
    refusal: &'a mut Refusal,
}

impl Growing<'_> {
    /// Makes one edit, if the text then says what is wanted.
    fn edit(&mut self, field: &str, edit: &Edit, wanted: Mapping, changed: Changed) {
        let edited = edit::apply(&self.text, edit);
        let says: Option<Value> = serde_yaml::from_str(&edited).ok();
        if says.as_ref().and_then(Value::as_mapping) != Some(&wanted) {
            self.refusal
                .say(field, "this stands in the file in an unusual form; change it there by hand, and let wearhouse check look at it");
            return;
        }
        (self.text, self.wanted) = (edited, wanted);
        self.changed.push(changed);
    }

    fn set(&mut self, section: &str, field: &Field, value: &Value) {
        let mut wanted = self.wanted.clone();
        let entry = wanted.entry(Value::from(section)).or_insert_with(|| Value::Mapping(Mapping::new()));
        let Some(entry) = entry.as_mapping_mut() else {
            return self.refusal.say(&field.name, "its section stands in the file in an unusual form; change it there by hand");
        };
        entry.insert(Value::from(field.key.clone()), value.clone());
        let before = field.kind.read(&field.value);
        let what = match field.kind {
            Kind::Secret(_) if value.as_str() == Some("") => "taken away".to_owned(),
            Kind::Secret(_) => "another one".to_owned(),
            _ => format!("{} → {}", shown(&before), shown(value)),
        };
        let changed = Changed { name: field.name.clone(), what, waits: field.waits };
        self.edit(&field.name, &Edit::Set { section, key: &field.key, value }, wanted, changed);
    }

    fn users(&mut self) -> Vec<Value> {
        self.wanted.get("users").and_then(Value::as_sequence).cloned().unwrap_or_default()
    }

    fn edit_users(&mut self, row: &str, edit: &Edit, users: Vec<Value>, name: &str, what: String) {
        let mut wanted = self.wanted.clone();
        wanted.insert(Value::from("users"), Value::Sequence(users));
        self.edit(row, edit, wanted, Changed { name: format!("users: {name}"), what, waits: false });
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        value => show(value),
    }
}

impl Field {
    /// What stands in the field of a form: what was typed, or what the file says where nobody touched it.
    #[must_use]
    pub fn shown<'a>(&'a self, typed: &'a Typed) -> &'a str {
        let read = |text: &String| self.kind.read(text);
        match (typed.get(&self.name), typed.get(&format!("was:{}", self.name))) {
            (Some(text), was) if was.map(read) != Some(read(text)) => text,
            _ => &self.value,
        }
    }
}

impl Standing {
    /// What the file becomes with what was typed. `by` is the user who typed it, and cannot be taken away.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn change(&self, typed: &Typed, by: &str) -> Result<Change, Refusal> {
        let mut refusal = Refusal::default();
        let mut growing = Growing { text: self.text.clone(), wanted: self.value.clone(), changed: Vec::new(), refusal: &mut refusal };
        let sections = self.sections();
        for section in &sections {
            for field in &section.fields {
                if let Some(value) = self.wish(field, typed) {
                    growing.set(&section.name, field, &value);
                }
            }
        }
        let rows = change_users(&mut growing, typed, by);
        let Growing { text, wanted, changed, .. } = growing;
        match serde_yaml::to_string(&wanted).map(|text| Config::parse(&text, folder_of(&self.path))) {
            Ok(Ok(wanted)) if refusal.0.is_empty() => {
                return Ok(Change { path: self.path.clone(), before: self.text.clone(), edited: text, wanted, changed });
            }
            Ok(Ok(_)) => {}
            Ok(Err(problems)) => tell(&mut refusal, problems, &rows, &sections, &wanted),
            Err(_) => refusal.say("", "the settings cannot be listed"),
        }
        Err(refusal)
    }

    /// The value that a field is to have, if another one than it has.
    fn wish(&self, field: &Field, typed: &Typed) -> Option<Value> {
        let given = typed.get(&field.name);
        match field.kind {
            Kind::ByHand => None,
            Kind::Secret(there) => {
                let removed = typed.contains_key(&format!("{}.remove", field.name));
                let given = given.filter(|text| !text.is_empty()).map(|text| Value::from(text.as_str()));
                let given = given.or_else(|| (removed && there).then(|| Value::from("")));
                let (section, key) = field.name.split_once('.')?;
                given.filter(|value| self.get(section, key) != Some(value))
            }
            _ => {
                let value = field.kind.read(field.shown(typed));
                (value != field.kind.read(&field.value)).then_some(value)
            }
        }
    }
}

/// Changes the users, and returns for each that is left the row of the form that speaks of it.
fn change_users(growing: &mut Growing, typed: &Typed, by: &str) -> Vec<String> {
    let before = growing.users();
    let names: Vec<_> = before.iter().map(|user| user.get("name").and_then(Value::as_str).unwrap_or_default()).collect();
    let mut rows: Vec<_> = names.iter().map(|name| format!("users.{name}")).collect();
    for (index, (user, name)) in before.iter().zip(&names).enumerate() {
        for key in ["role", "password"] {
            let given = typed.get(&format!("users.{name}.{key}")).filter(|text| !text.is_empty());
            let untouched = given == typed.get(&format!("was:users.{name}.{key}"));
            let Some(given) = given.filter(|given| !untouched && user.get(key).and_then(Value::as_str) != Some(given)) else { continue };
            let mut users = growing.users();
            if let Some(user) = users[index].as_mapping_mut() {
                user.insert(Value::from(key), Value::from(given.as_str()));
            }
            let what = if key == "role" { format!("{key} → {given}") } else { "another password".to_owned() };
            growing.edit_users(&rows[index], &Edit::User { index, key, value: given }, users, name, what);
        }
    }
    for (index, name) in names.iter().enumerate().rev().filter(|(_, name)| typed.contains_key(&format!("users.{name}.remove"))) {
        if *name == by {
            growing.refusal.say(&rows[index], "this is you: let another operator take you away");
            continue;
        }
        let mut users = growing.users();
        users.remove(index);
        growing.edit_users(&rows[index], &Edit::RemoveUser(index), users, name, "taken away".to_owned());
        rows.remove(index);
    }
    add_user(growing, typed);
    rows.push("new".to_owned());
    rows
}

fn add_user(growing: &mut Growing, typed: &Typed) {
    let new = |key: &str| typed.get(&format!("new.{key}")).map_or("", |text| text.trim());
    let (name, role) = (new("name"), new("role"));
    let password = typed.get("new.password").map_or("", String::as_str);
    if name.is_empty() && password.is_empty() {
        return;
    }
    let mut user = Mapping::new();
    for (key, value) in [("name", name), ("role", role), ("password", password)] {
        user.insert(Value::from(key), Value::from(value));
    }
    let mut users = growing.users();
    users.push(Value::Mapping(user));
    growing.edit_users("new", &Edit::AddUser([name, role, password]), users, name, format!("new, {role}"));
}

/// Says each problem where its field stands in the form.
fn tell(refusal: &mut Refusal, Problems(problems): Problems, rows: &[String], sections: &[Section], wanted: &Mapping) {
    let whole = problems.iter().any(|problem| problem.field.is_empty());
    let mut found = false;
    if whole {
        // A number that does not fit into its type stops the look at the whole.
        for field in sections.iter().flat_map(|section| &section.fields) {
            let Some((section, key)) = field.name.split_once('.') else { continue };
            let number = wanted.get(section).and_then(|section| section.get(key)).and_then(Value::as_u64);
            if let (Kind::Number(Some(range)), Some(number)) = (&field.kind, number)
                && !range.contains(&number)
            {
                refusal.say(&field.name, out_of_range(range));
                found = true;
            }
        }
    }
    for problem in problems.into_iter().filter(|problem| !(found && problem.field.is_empty())) {
        let (field, message) = place(&problem.field, problem.message, rows, sections);
        refusal.say(field, message);
    }
}

/// The field of the form that a problem is about.
fn place(field: &str, message: String, rows: &[String], sections: &[Section]) -> (String, String) {
    let (base, rest) = field.split_once('[').unwrap_or((field, ""));
    let (index, key) = rest.split_once(']').unwrap_or((rest, ""));
    let index: Option<usize> = index.parse().ok();
    if base == "users" {
        let row = index.and_then(|index| rows.get(index));
        return (row.map_or_else(|| "users".to_owned(), |row| format!("{row}{key}")), message);
    }
    if sections.iter().flat_map(|section| &section.fields).any(|field| field.name == base) {
        let item = index.map_or_else(String::new, |index| format!("line {}: ", index + 1));
        return (base.to_owned(), format!("{item}{message}"));
    }
    (String::new(), if field.is_empty() { message } else { format!("{field}: {message}") })
}

#[cfg(test)]
mod tests;
