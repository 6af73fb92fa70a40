//! What is said of alerts that are due, in words that every way of saying it shares.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::{
    catalog::{Millis, StandingAlert},
    config::{AlertKind, Config},
    ids::hex,
};

/// So many are listed in a text; the rest is counted.
const LISTED: usize = 200;

/// A message about some alerts.
pub(super) struct Message {
    pub(super) items: Vec<Item>,
    /// When it is sent.
    pub(super) at: Millis,
    /// The same for the same alerts, whenever they are sent.
    pub(super) key: String,
    /// The front page.
    pub(super) link: Option<String>,
}

/// One alert.
#[derive(serde::Serialize)]
pub(super) struct Item {
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) since: Millis,
    pub(super) link: Option<String>,
}

impl Message {
    pub(super) fn new(alerts: &[StandingAlert], config: &Config, at: Millis) -> Self {
        let mut digest = Sha256::new();
        for StandingAlert { kind, subject, since, .. } in alerts {
            digest.update(format!("{kind}\n{subject}\n{since}\n"));
        }
        let link_of = |kind: &str| config.server.link(kind_of(kind).map_or("/", AlertKind::page));
        let item = |alert: &StandingAlert| Item {
            kind: alert.kind.clone(),
            subject: alert.subject.clone(),
            text: alert.text.clone(),
            since: alert.since,
            link: link_of(&alert.kind),
        };
        let mut items: Vec<_> = alerts.iter().map(item).collect();
        items.sort_by_key(|item| (kind_of(&item.kind), item.since));
        Self { items, at, key: hex(&digest.finalize()[..16]), link: config.server.link("/") }
    }

    /// One that tries a way.
    pub(super) fn test(config: &Config, at: Millis) -> Self {
        let text = "This is a test of Wearhouse: what should be known arrives here.".to_owned();
        let alert = StandingAlert { kind: "test".to_owned(), subject: "test".to_owned(), text, since: at };
        Self { key: hex(&rand::random::<[u8; 16]>()), ..Self::new(&[alert], config, at) }
    }

    /// One line: the alert's own sentence, or how many there are.
    pub(super) fn subject(&self) -> String {
        match &*self.items {
            [only] => shortened(&only.text, 150),
            _ => self.title(),
        }
    }

    /// The same without what anybody wrote.
    pub(super) fn title(&self) -> String {
        let count = self.items.len();
        format!("Wearhouse: {count} thing{} to know", if count == 1 { "" } else { "s" })
    }

    /// All of it, kind by kind, each line ended.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for of_a_kind in self.items.chunk_by(|a, b| a.kind == b.kind) {
            say_kind(of_a_kind, &mut text);
        }
        text
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.items.iter().any(|item| kind_of(&item.kind).is_some_and(AlertKind::is_urgent))
    }
}

fn say_kind(items: &[Item], text: &mut String) {
    let Some(first) = items.first() else { return };
    if let Some(kind) = kind_of(&first.kind) {
        let _ = writeln!(text, "{}: {}", kind.title(), kind.explanation());
    }
    for item in items.iter().take(LISTED) {
        let _ = writeln!(text, "- {} ({})", item.text, date(item.since));
    }
    if items.len() > LISTED {
        let _ = writeln!(text, "- and {} more", items.len() - LISTED);
    }
    if let Some(link) = &first.link {
        let _ = writeln!(text, "{link}");
    }
    text.push('\n');
}

fn kind_of(word: &str) -> Option<AlertKind> {
    AlertKind::ALL.into_iter().find(|kind| kind.as_str() == word)
}

/// At most so many characters, cut with a sign of it.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn date(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC").to_string()
}
