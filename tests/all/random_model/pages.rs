//! What pages and JSON say, parsed: the one file that knows their form.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file in the JSON of its dataset.
#[derive(Debug, Deserialize)]
pub struct ListedFile {
    pub name: String,
    pub sent_name: String,
    pub size: u64,
    pub sha256: String,
}

/// A dataset's JSON, with one page of its files.
#[derive(Debug, Deserialize)]
pub struct DatasetJson {
    pub title: String,
    pub description: String,
    #[serde(rename = "verdict")]
    pub quality: Option<String>,
    pub tags: Vec<String>,
    pub files: u64,
    pub bytes: u64,
    pub revision: i64,
    pub device: Option<String>,
    pub deleted_at: Option<i64>,
    pub kept_back: u64,
    pub file_list: Vec<ListedFile>,
    pub next: Option<String>,
}

/// A dataset in a list.
#[derive(Debug, Deserialize)]
pub struct ListedDataset {
    pub uuid: String,
    pub files: u64,
    pub bytes: u64,
}

/// A device in the list of devices.
#[derive(Debug, Deserialize)]
pub struct ListedDevice {
    pub id: String,
    pub identifier: String,
    pub revoked_at: Option<i64>,
    pub datasets: u64,
    pub files: u64,
    pub bytes: u64,
}

/// A page of a list of datasets; of the trash, with what it holds in all.
#[derive(Debug, Deserialize)]
pub struct DatasetsJson {
    pub datasets: Vec<ListedDataset>,
    pub next: Option<String>,
    #[serde(default)]
    pub total: u64,
    #[serde(default)]
    pub bytes: u64,
}

/// A file in quarantine.
#[derive(Debug, Deserialize)]
pub struct QuarantinedFile {
    pub id: String,
    pub dataset: String,
    pub device: Option<String>,
    pub sent_name: String,
    pub sha256: String,
    pub reason: String,
}

/// The reason of a file in quarantine that came after its dataset was erased.
pub const ERASED: &str = "erased";

/// A page of the quarantine.
#[derive(Debug, Deserialize)]
pub struct QuarantineJson {
    pub files: Vec<QuarantinedFile>,
    pub total: u64,
    pub kept_back: u64,
    pub next: Option<String>,
}

/// A receipt.
#[derive(Debug, Deserialize)]
pub struct Receipt {
    pub uuid: String,
    pub name: String,
    pub stored_as: Option<String>,
    pub size: u64,
    pub sha256: String,
    pub new: bool,
    #[serde(default)]
    pub quarantined: bool,
}

/// What the dashboard counts.
#[derive(Debug)]
pub struct Dashboard {
    pub datasets: u64,
    pub files: u64,
    pub quarantined: u64,
}

/// A dataset's page.
#[derive(Debug)]
pub struct DatasetPage {
    pub files: u64,
    /// The digests of the files that it lists.
    pub digests: Vec<String>,
    pub kept_back: u64,
}

/// A list of datasets as a page.
#[derive(Debug)]
pub struct ListPage {
    /// How many it says that there are, where it does.
    pub found: Option<u64>,
    /// The number of files of each dataset that it lists.
    pub files: BTreeMap<String, u64>,
}

pub fn json<T: for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| format!("{error}: {}", String::from_utf8_lossy(text)))
}

impl Dashboard {
    pub fn parse(html: &str) -> Result<Self, String> {
        let tile = between(html, "<li><a href=\"/recording/list/\">", "</li>")?;
        let quarantine = between(html, "<a href=\"/quarantine/\"><strong>", "</strong>")?;
        Ok(Self {
            datasets: number(between(tile, "<strong>", "</strong>")?)?,
            files: number(between(tile, "<small>", " file")?)?,
            quarantined: number(quarantine)?,
        })
    }
}

impl DatasetPage {
    pub fn parse(html: &str) -> Result<Self, String> {
        let table = html.split_once("<h2 id=\"files\">Files</h2>").ok_or("no files")?.1;
        let digests = table.split("SHA-256 <code>").skip(1).filter_map(|rest| rest.get(..64)).map(str::to_owned).collect();
        let is_number = |line: &&str| line.starts_with("<p>") && line.contains("may hold a voice or a picture and");
        let kept_back = table.lines().find(is_number).map(|line| between(line, "<p>", " file").and_then(number)).transpose()?;
        Ok(Self { files: number(between(html, "<dt>Holds</dt><dd>", " file")?)?, digests, kept_back: kept_back.unwrap_or(0) })
    }
}

impl ListPage {
    pub fn parse(html: &str) -> Result<Self, String> {
        let found = html.lines().find_map(|line| line.strip_prefix("<p>")?.split_once(" recording")).map(|(number, _)| number);
        let rows = html.split("aria-label=\"Recording ").skip(1);
        let row = |row: &str| {
            let uuid = row.get(..36).ok_or("no uuid")?;
            Ok((uuid.to_owned(), number(between(row, "data-label=\"Files\" class=\"number\">", "<")?)?))
        };
        // A list that goes on says "More than" so many.
        Ok(Self { found: found.and_then(|found| number(found).ok()), files: rows.map(row).collect::<Result<_, String>>()? })
    }
}

/// The rows of the list as CSV, which is all of it.
pub fn csv(text: &[u8]) -> Result<Vec<ListedDataset>, String> {
    csv::Reader::from_reader(text).deserialize().collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Result<&'a str, String> {
    let found = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    found.map(|(found, _)| found).ok_or_else(|| format!("nothing between {begin:?} and {end:?} in {text}"))
}

fn number(text: &str) -> Result<u64, String> {
    text.replace([',', '\u{202f}', '\u{a0}'], "").trim().parse().map_err(|_| format!("{text:?} is no number"))
}
