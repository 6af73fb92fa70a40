//! What was found: as lines while it goes on, and as a document at the end.

use serde::Serialize;

use crate::sample::figure;

/// One of the things that are measured.
#[derive(Serialize)]
pub struct Chapter {
    pub title: String,
    pub goals: Vec<Goal>,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// A number that is wanted, or a ratio that is good to know.
#[derive(Serialize)]
pub struct Goal {
    what: String,
    found: f64,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

impl Chapter {
    pub fn new(title: impl Into<String>, head: &[&'static str]) -> Self {
        let title = title.into();
        println!("{title}: {}", head.join(" | "));
        Self { title, goals: Vec::new(), head: head.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, row: impl IntoIterator<Item = String>) {
        let row: Vec<_> = row.into_iter().collect();
        println!("  {}", row.join(" | "));
        self.rows.push(row);
    }

    pub fn goal(&mut self, goal: Goal) {
        self.goals.push(goal);
    }
}

impl Goal {
    pub fn at_least(what: impl Into<String>, found: f64, bound: f64) -> Self {
        Self { at_least: Some(bound), ..Self::plain(what, found) }
    }

    pub fn at_most(what: impl Into<String>, found: f64, bound: f64) -> Self {
        Self { at_most: Some(bound), ..Self::plain(what, found) }
    }

    /// One that nobody asked for.
    pub fn plain(what: impl Into<String>, found: f64) -> Self {
        Self { what: what.into(), found, at_least: None, at_most: None }
    }

    fn is_met(&self) -> Option<bool> {
        let least = self.at_least.map(|bound| self.found >= bound);
        least.or(self.at_most.map(|bound| self.found <= bound))
    }

    fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "**short**",
            None => "",
        }
    }

    fn cells(&self) -> [String; 4] {
        let bound = |word: &str, bound: Option<f64>| bound.map(|bound| format!("{word} {}", figure(bound)));
        let wanted = bound("≥", self.at_least).or(bound("≤", self.at_most)).unwrap_or_default();
        [self.what.clone(), figure(self.found), wanted, self.verdict().to_owned()]
    }
}

/// The measured part of the document: what was wanted first, then everything.
pub fn markdown(chapters: &[Chapter]) -> String {
    let goals = chapters.iter().flat_map(|chapter| chapter.goals.iter().map(|goal| goal.cells().to_vec()));
    let mut text = table(&["what", "found", "wanted", ""], goals);
    for chapter in chapters {
        text.extend(["\n### ", &chapter.title, "\n\n", &table(&chapter.head, chapter.rows.iter().cloned())]);
    }
    text
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let ruler = format!("|{}\n", "---|".repeat(head.len()));
    line(&head) + &ruler + &rows.map(|row| line(&row)).collect::<String>()
}
