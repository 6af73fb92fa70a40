//! Devices that were let in: which there are, and what people say of them.

use super::Handshake;
use crate::{
    catalog::{CatalogError, Credential, Device, DeviceFilter, DeviceKey, DeviceNotes, Span},
    ids::DeviceId,
};

/// The longest name, in characters.
const MAX_NAME: usize = 64;
/// The longest note, in characters.
const MAX_NOTE: usize = 4000;
/// The longest silence that may be waited for: a year.
const MAX_SILENCE: u32 = 8760;
/// Tokens and spans of a device that are listed.
const MOST: u32 = 100;
/// Devices with the same text in their names among which one is looked for.
const MOST_CALLED: u32 = 10_000;

/// A device with all that is known of it.
#[derive(Debug, Clone)]
pub struct KnownDevice {
    /// The device.
    pub device: Device,
    /// Whether it is forgotten: it can only be let in by a new grant.
    pub is_forgotten: bool,
    /// Its tokens, the newest first.
    pub credentials: Vec<Credential>,
    /// Who wore it, the last first.
    pub spans: Vec<Span>,
}

/// Why nothing is changed about a device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no such device.
    #[error("there is no such device")]
    Gone,
    /// Nothing is said of it any more.
    #[error("this device is forgotten, and nothing more can be said of it; let it ask anew, and grant that")]
    Forgotten,
    /// What was said of it cannot be kept.
    #[error("{0}")]
    Malformed(&'static str),
    /// Nobody waits for so few hours, or so many.
    #[error("write a whole number of hours, 1 to {MAX_SILENCE}, or nothing for what its rhythm says")]
    Silence,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Handshake {
    /// The devices that a filter lets through, behind `after`, at most `most`, the last heard of first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn devices(&self, filter: &DeviceFilter, after: Option<DeviceKey>, most: u32) -> Result<Vec<Device>, CatalogError> {
        self.catalog.devices(filter, after, most).await
    }

    /// The one device that is called so: by its id, its identifier, its Android id, its alias, or the name that people gave it.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn device_called(&self, text: &str) -> Result<DeviceId, DeviceError> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        if text.is_empty() {
            return Err(DeviceError::Malformed("device: write its name, its alias or its Android id"));
        }
        let filter = DeviceFilter { text: Some(text.to_owned()), revoked: None };
        let found = self.catalog.devices(&filter, None, MOST_CALLED).await?;
        if let Some(device) = found.iter().find(|device| device.identifier.as_str() == text) {
            return Ok(device.id);
        }
        let is_called = |device: &&Device| {
            [Some(device.name.as_str()), Some(device.identifier.alias()), device.identifier.android_id()].contains(&Some(text))
        };
        let mut called = found.iter().filter(is_called);
        match (called.next(), called.next()) {
            (Some(device), None) => Ok(device.id),
            (Some(_), Some(_)) => {
                Err(DeviceError::Malformed("several devices are called so; write the Android id of the one that you mean"))
            }
            _ => Err(DeviceError::Malformed(
                "no device is called so; write its name, its alias or its Android id, as the list of devices has it",
            )),
        }
    }

    /// The devices that brought what is in quarantine.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn devices_in_quarantine(&self) -> Result<Vec<Device>, CatalogError> {
        self.catalog.devices_in_quarantine().await
    }

    /// One device with all that is known of it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn device(&self, id: DeviceId) -> Result<Option<KnownDevice>, CatalogError> {
        let Some(device) = self.catalog.device(id).await? else { return Ok(None) };
        let (credentials, spans) = (self.catalog.credentials(id, MOST).await?, self.catalog.spans_of_device(id, MOST).await?);
        Ok(Some(KnownDevice { is_forgotten: self.is_forgotten(id, device.generation), device, credentials, spans }))
    }

    /// A person says something of a device: its name, a note, how long it may be silent. Returns which of these are other ones now.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn describe_device(&self, id: DeviceId, notes: DeviceNotes) -> Result<Vec<&'static str>, DeviceError> {
        let notes = DeviceNotes { name: notes.name.trim().to_owned(), note: notes.note.trim().replace("\r\n", "\n"), ..notes };
        if notes.name.chars().count() > MAX_NAME || notes.name.chars().any(char::is_control) {
            return Err(DeviceError::Malformed("the name has several lines, or more than 64 characters; shorten it"));
        }
        if notes.note.chars().count() > MAX_NOTE {
            return Err(DeviceError::Malformed("the note is longer than 4,000 characters; shorten it"));
        }
        if notes.silent_hours.is_some_and(|hours| !(1..=MAX_SILENCE).contains(&hours)) {
            return Err(DeviceError::Silence);
        }
        let before = self.catalog.device(id).await?.ok_or(DeviceError::Gone)?;
        if !self.catalog.describe_device(id, &notes).await? {
            return Err(DeviceError::Forgotten);
        }
        let is_new = [
            (before.name != notes.name, "name"),
            (before.note != notes.note, "note"),
            (before.silent_hours != notes.silent_hours, "silence"),
        ];
        Ok(is_new.into_iter().filter_map(|(is_new, field)| is_new.then_some(field)).collect())
    }
}
