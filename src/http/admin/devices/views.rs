//! Devices as JSON, and as the templates read them. Times are milliseconds since 1970 (UTC).

use serde::Serialize;

use crate::{
    catalog::{Credential, Device, Millis, Span},
    handshake::KnownDevice,
    ids::{DeviceId, Identifier, ParticipantId, Tag},
    models::Standing,
    runs::{Missing, SilentDevice, SkippedRuns, UnfinishedDataset},
};

/// A device.
#[derive(Serialize)]
pub struct DeviceView {
    pub id: DeviceId,
    /// The name to show: what people call it, else the alias.
    pub watch: String,
    pub name: String,
    pub identifier: Identifier,
    pub alias: String,
    pub android_id: Option<String>,
    pub note: String,
    /// Silent for longer, it is missed; none where the settings or its rhythm say that.
    pub silent_hours: Option<u32>,
    pub created_at: Millis,
    pub last_used_at: Option<Millis>,
    pub last_upload_at: Option<Millis>,
    pub collected_at: Option<Millis>,
    pub revoked_at: Option<Millis>,
    /// The generation of its newest token.
    pub generation: u32,
    /// Whether a token of an older generation is good, too.
    pub older_tokens: bool,
    pub datasets: u64,
    pub files: u64,
    pub bytes: u64,
    pub app_version: Option<String>,
    pub model: Option<String>,
    /// How far it is with the model that it is to have; none for one that is revoked.
    pub model_standing: Option<Standing>,
    pub hardware: Option<String>,
}

/// A device with its tokens and who wore it.
#[derive(Serialize)]
pub struct KnownView {
    #[serde(flatten)]
    pub device: DeviceView,
    /// Whether it can only be let in by a new grant.
    pub forgotten: bool,
    pub credentials: Vec<CredentialView>,
    pub spans: Vec<WornView>,
}

/// A token that was handed out.
#[derive(Serialize)]
pub struct CredentialView {
    pub generation: u32,
    pub collected_at: Option<Millis>,
    pub last_used_at: Option<Millis>,
    /// Whether it is good.
    pub good: bool,
}

/// Who wore a device.
#[derive(Serialize)]
pub struct WornView {
    pub participant: ParticipantId,
    pub label: Tag,
    pub from_at: Millis,
    /// The first moment behind it; none while it is worn.
    pub until_at: Option<Millis>,
}

impl DeviceView {
    pub fn of(device: Device, model_standing: Option<Standing>) -> Self {
        Self {
            id: device.id,
            watch: device.watch().to_owned(),
            alias: device.identifier.alias().to_owned(),
            android_id: device.identifier.android_id().map(str::to_owned),
            older_tokens: device.has_older_tokens(),
            name: device.name,
            identifier: device.identifier,
            note: device.note,
            silent_hours: device.silent_hours,
            created_at: device.created_at,
            last_used_at: device.last_used_at,
            last_upload_at: device.last_upload_at,
            collected_at: device.collected_at,
            revoked_at: device.revoked_at,
            generation: device.generation,
            datasets: device.datasets,
            files: device.files,
            bytes: device.bytes,
            app_version: device.meta.app_version,
            model: device.meta.model,
            model_standing,
            hardware: device.meta.hardware,
        }
    }

    /// Whether it runs another model than it is to have.
    pub fn is_behind(&self) -> bool {
        self.model_standing == Some(Standing::Behind)
    }
}

impl KnownView {
    pub fn of(known: KnownDevice, model_standing: Option<Standing>) -> Self {
        let KnownDevice { device, is_forgotten: forgotten, credentials, spans } = known;
        let lowest = if device.revoked_at.is_some() { u32::MAX } else { device.lowest_generation };
        Self {
            credentials: credentials.iter().map(|credential| CredentialView::of(*credential, lowest)).collect(),
            spans: spans.into_iter().map(WornView::of).collect(),
            device: DeviceView::of(device, model_standing),
            forgotten,
        }
    }
}

impl CredentialView {
    fn of(credential: Credential, lowest: u32) -> Self {
        let Credential { generation, collected_at, last_used_at } = credential;
        Self { generation, collected_at, last_used_at, good: generation >= lowest }
    }
}

impl WornView {
    fn of(span: Span) -> Self {
        Self { participant: span.participant, label: span.label, from_at: span.from_at, until_at: span.until_at }
    }

    /// The last day of it, as people say it; one moment of it.
    pub fn last_day(&self) -> Option<Millis> {
        self.until_at.map(|until| until - 1)
    }
}

/// What is missing of one device.
pub struct MissingOf {
    pub silent: Vec<SilentDevice>,
    pub skipped: Vec<SkippedRuns>,
    pub unfinished: Vec<UnfinishedDataset>,
}

impl MissingOf {
    /// What of it all is a device's.
    pub fn device(missing: &Missing, id: DeviceId) -> Self {
        Self {
            silent: missing.silent.iter().filter(|silent| silent.device == id).cloned().collect(),
            skipped: missing.skipped.iter().filter(|skipped| skipped.device == id).cloned().collect(),
            unfinished: missing.unfinished.iter().filter(|unfinished| unfinished.device == id).cloned().collect(),
        }
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.silent.is_empty() && self.skipped.is_empty() && self.unfinished.is_empty()
    }
}
