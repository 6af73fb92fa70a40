//! Models as JSON, and as the templates read them. Times are milliseconds since 1970 (UTC).

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::{
    catalog::{Assignment, Audience, Millis, Model},
    http::{error::Problem, state::App},
    ids::{DeviceId, ModelId, ParticipantId},
    models::{ModelOnDevice, Standing, format::Facts, is_called},
};

/// Participants whose labels are known to these pages.
const MOST_PARTICIPANTS: u32 = 1000;

/// A model.
#[derive(Serialize)]
pub struct ModelView {
    pub id: ModelId,
    pub name: String,
    pub version: String,
    pub notes: String,
    pub size: u64,
    pub sha256: String,
    /// As watches get them.
    pub settings: Value,
    /// What the file says of itself.
    pub facts: Option<Facts>,
    pub published_at: Millis,
    pub published_by: String,
    /// Who is to have it.
    pub given_to: Vec<AudienceView>,
    /// How many devices say that they run it.
    pub devices: usize,
}

/// Who is to have a model.
#[derive(Clone, Serialize)]
#[serde(tag = "to", rename_all = "lowercase")]
pub enum AudienceView {
    Everyone,
    Participant { participant: ParticipantId, label: String },
    Device { device: DeviceId, label: String },
}

/// A device, and which model it runs.
#[derive(Serialize)]
pub struct OnDeviceView {
    pub device: DeviceId,
    pub watch: String,
    /// What it is to have.
    pub model: Option<ModelId>,
    pub model_name: Option<String>,
    pub standing: Standing,
    /// What its last `metaInfo` names, and when that run began.
    pub runs: Option<String>,
    pub runs_at: Option<Millis>,
    /// Since when it is told of the model that it is to have.
    pub offered_at: Option<Millis>,
    /// When it last took that model's file.
    pub fetched_at: Option<Millis>,
}

/// What everyone is to have, and what it was before.
#[derive(Serialize)]
pub struct ForEveryone {
    pub model: Option<ModelId>,
    pub name: Option<String>,
    /// Whether there is a way back.
    pub can_go_back: bool,
    pub before: Option<String>,
}

/// Everything that the pages of models show.
pub struct Shown {
    pub models: Vec<ModelView>,
    pub everyone: ForEveryone,
    pub devices: Vec<OnDeviceView>,
    pub participants: Vec<(ParticipantId, String)>,
}

impl Shown {
    /// How things stand.
    pub async fn now(app: &App) -> Result<Self, Problem> {
        let (models, assignments) = (app.models.list().await?, app.models.assignments().await?);
        let devices: Vec<_> = app.models.on_devices().await?.into_iter().map(OnDeviceView::of).collect();
        let participants = app.participants.list(None, None, MOST_PARTICIPANTS).await?;
        let participants: Vec<_> = participants.into_iter().map(|participant| (participant.id, participant.label.to_string())).collect();
        let everyone = ForEveryone::of(&assignments, &models);
        let labels = Labels::of(&devices, &participants);
        let models = models.into_iter().map(|model| ModelView::of(model, &assignments, &devices, &labels)).collect();
        Ok(Self { models, everyone, devices, participants })
    }

    /// How many devices are so far.
    pub fn number(&self, standing: Standing) -> usize {
        self.devices.iter().filter(|device| device.standing == standing).count()
    }
}

/// What audiences are called.
struct Labels(HashMap<Audience, String>);

impl Labels {
    fn of(devices: &[OnDeviceView], participants: &[(ParticipantId, String)]) -> Self {
        let devices = devices.iter().map(|device| (Audience::Device(device.device), device.watch.clone()));
        let participants = participants.iter().map(|(id, label)| (Audience::Participant(*id), label.clone()));
        Self(devices.chain(participants).collect())
    }

    fn view(&self, audience: Audience) -> AudienceView {
        // One that is revoked, or beyond what is listed, is called by its id.
        let label = |id: String| self.0.get(&audience).cloned().unwrap_or(id);
        match audience {
            Audience::Everyone => AudienceView::Everyone,
            Audience::Participant(participant) => AudienceView::Participant { participant, label: label(participant.to_string()) },
            Audience::Device(device) => AudienceView::Device { device, label: label(device.to_string()) },
        }
    }
}

impl ModelView {
    fn of(model: Model, assignments: &[Assignment], devices: &[OnDeviceView], labels: &Labels) -> Self {
        let given = assignments.iter().filter(|assignment| assignment.model == Some(model.id));
        Self {
            given_to: given.map(|assignment| labels.view(assignment.audience)).collect(),
            devices: devices.iter().filter(|device| device.runs.as_deref().is_some_and(|runs| is_called(&model.name, runs))).count(),
            id: model.id,
            name: model.name.to_string(),
            version: model.notes.version,
            notes: model.notes.notes,
            size: model.size,
            sha256: model.sha256,
            settings: serde_json::from_str(&model.settings).unwrap_or_default(),
            facts: serde_json::from_str(&model.facts).ok(),
            published_at: model.published_at,
            published_by: model.published_by,
        }
    }
}

impl OnDeviceView {
    fn of(on_device: ModelOnDevice) -> Self {
        let ModelOnDevice { recipient, model, standing, offered_at, fetched_at } = on_device;
        Self {
            device: recipient.device,
            watch: recipient.watch,
            model: model.as_ref().map(|model| model.id),
            model_name: model.map(|model| model.name.to_string()),
            standing,
            runs: recipient.runs,
            runs_at: recipient.runs_at,
            offered_at,
            fetched_at,
        }
    }
}

impl ForEveryone {
    fn of(assignments: &[Assignment], models: &[Model]) -> Self {
        let assignment = assignments.iter().find(|assignment| assignment.audience == Audience::Everyone);
        let (model, before) = assignment.map_or((None, None), |assignment| (assignment.model, assignment.before));
        Self { model, name: name_of(models, model), can_go_back: assignment.is_some(), before: name_of(models, before) }
    }
}

/// The model of one device's or participant's own, and how it is changed.
pub struct OwnModel {
    /// As the form says whom it is for.
    pub to: &'static str,
    pub whom: String,
    /// What it is to have; none where it has none of its own.
    pub model: Option<ModelId>,
    pub can_go_back: bool,
    /// What it had before.
    pub before: Option<String>,
    pub choices: Vec<(ModelId, String)>,
}

impl OwnModel {
    /// How things stand.
    pub async fn of(app: &App, audience: Audience) -> Result<Self, Problem> {
        let models = app.models.list().await?;
        let own = app.models.assignments().await?.into_iter().find(|assignment| assignment.audience == audience);
        let (to, whom) = match audience {
            Audience::Everyone => ("everyone", String::new()),
            Audience::Participant(id) => ("participant", id.to_string()),
            Audience::Device(id) => ("device", id.to_string()),
        };
        let (model, before) = own.as_ref().map_or((None, None), |own| (own.model, own.before));
        Ok(Self { to, whom, model, can_go_back: own.is_some(), before: name_of(&models, before), choices: choices(models) })
    }

    /// What stands where there is none.
    pub fn without(&self) -> &'static str {
        match self.to {
            "everyone" => "none",
            "participant" => "none: as everyone",
            _ => "none: as its wearer, or everyone",
        }
    }

    /// What the one that it is to have is called.
    pub fn name(&self) -> &str {
        self.choices.iter().find(|(id, _)| Some(*id) == self.model).map_or("", |(_, name)| name)
    }
}

fn choices(models: Vec<Model>) -> Vec<(ModelId, String)> {
    models.into_iter().map(|model| (model.id, model.name.to_string())).collect()
}

fn name_of(models: &[Model], id: Option<ModelId>) -> Option<String> {
    models.iter().find(|model| Some(model.id) == id).map(|model| model.name.to_string())
}

/// What the page of one device says of models.
pub struct ModelsOfDevice {
    pub on_device: Option<OnDeviceView>,
    pub own: OwnModel,
    /// What it was told of, the last first.
    pub offers: Vec<OfferView>,
}

/// A model that a device was told of.
pub struct OfferView {
    pub model: ModelId,
    pub name: String,
    /// Since when it was last told of it.
    pub offered_at: Millis,
    /// When it last took it.
    pub fetched_at: Option<Millis>,
}

impl ModelsOfDevice {
    /// How things stand.
    pub async fn now(app: &App, device: DeviceId) -> Result<Self, Problem> {
        let own = OwnModel::of(app, Audience::Device(device)).await?;
        let on_device = app.models.on_devices().await?.into_iter().find(|on_device| on_device.recipient.device == device);
        let name = |id| own.choices.iter().find(|(model, _)| *model == id).map_or_else(String::new, |(_, name)| name.clone());
        let offers = app.models.offered_to(device).await?.into_iter();
        let offers = offers.map(|(model, offered_at, fetched_at)| OfferView { model, name: name(model), offered_at, fetched_at });
        Ok(Self { on_device: on_device.map(OnDeviceView::of), offers: offers.collect(), own })
    }
}
