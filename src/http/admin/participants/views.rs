//! Participants as JSON, and as the templates read them. Times are milliseconds since 1970, days are days, all UTC.

use serde::Serialize;

use crate::{
    catalog::{Millis, Participant, Span},
    ids::{DeviceId, ParticipantId, Tag},
    participants::Day,
};

/// A participant.
#[derive(Serialize)]
pub struct ParticipantView {
    pub id: ParticipantId,
    pub label: Tag,
    pub note: String,
    pub created_at: Millis,
    /// How many spans it has.
    pub worn: u64,
    pub recordings: u64,
}

/// A participant with its spans, the last first.
#[derive(Serialize)]
pub struct EnrolledView {
    #[serde(flatten)]
    pub participant: ParticipantView,
    pub spans: Vec<SpanView>,
}

/// On which days it wore a device.
#[derive(Serialize)]
pub struct SpanView {
    pub id: String,
    pub device: DeviceId,
    /// The device's name to show.
    pub watch: String,
    /// The first day.
    pub from: String,
    /// The last day; none while it is worn.
    pub until: Option<String>,
}

impl ParticipantView {
    pub fn of(participant: Participant) -> Self {
        let Participant { id, label, note, created_at, spans, recordings } = participant;
        Self { id, label, note, created_at, worn: spans, recordings }
    }
}

impl EnrolledView {
    pub fn of((participant, spans): (Participant, Vec<Span>)) -> Self {
        Self { participant: ParticipantView::of(participant), spans: spans.into_iter().map(SpanView::of).collect() }
    }
}

impl SpanView {
    fn of(span: Span) -> Self {
        let until = span.until_at.map(|until| Day::of(until - 1).to_string());
        Self { id: span.id, device: span.device, watch: span.watch, from: Day::of(span.from_at).to_string(), until }
    }
}
