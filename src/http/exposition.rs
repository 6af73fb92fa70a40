//! `/metrics`, on a listener of its own: what was counted, and how things stand at this moment.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::error::Problem;
use crate::{
    config::Settings,
    metrics::METRICS,
    models::{Models, Standing},
    recordings::Recordings,
    timekeeping::Timekeeping,
};

/// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`: everything in the OpenMetrics text format.
pub async fn metrics(
    State(recordings): State<Recordings>,
    State(models): State<Models>,
    State(settings): State<Settings>,
    State(timekeeping): State<Timekeeping>,
) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("wearhouse");
    registry.register("build", "The program that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    METRICS.register(&mut registry);

    let health = recordings.health().await;
    let mut up = Labelled::new(&mut registry, "ready", "1 where this part can do its work, 0 where it cannot", "part");
    up.set("catalog", i64::from(health.catalog));
    up.set("disk", i64::from(health.disk));
    up.set("roller", i64::from(health.roller));

    let clock = timekeeping.status();
    let help = "1 while the server uses the machine's clock, 0 while that cannot be right or must be confirmed";
    gauge(&mut registry, "clock_trusted", help, i64::from(clock.is_trusted));
    let help = "How far the machine's clock is ahead of the time that the server uses";
    gauge(&mut registry, "clock_offset_seconds", help, (clock.wall - clock.now) / 1000);

    let counts = recordings.counts().await?;
    let mut requests = Labelled::new(&mut registry, "open_requests", "Requests to be let in", "state");
    requests.set("waiting", counts.waiting);
    requests.set("granted", counts.granted);
    let mut devices = Labelled::new(&mut registry, "devices", "Devices that were let in", "state");
    devices.set("active", counts.devices);
    devices.set("revoked", counts.revoked);

    let on_devices = models.on_devices().await?;
    let help = "Devices that are let in, by whether they run the detection model that they are to have";
    let mut standings = Labelled::new(&mut registry, "model_devices", help, "state");
    for standing in Standing::ALL {
        standings.set(standing.as_str(), on_devices.iter().filter(|device| device.standing == standing).count());
    }

    gauge(&mut registry, "zip_backlog_datasets", "Datasets whose zip does not hold everything", counts.to_roll);
    gauge(&mut registry, "quarantined_files", "Files that wait for a person's decision", counts.quarantined);

    let free = recordings.free_space().await?;
    let reserve = settings.now().storage.reserve();
    gauge(&mut registry, "disk_free_bytes", "Free bytes of the disk under uploads/", free.bytes);
    gauge(&mut registry, "disk_total_bytes", "All bytes of the disk under uploads/", free.total);
    gauge(&mut registry, "disk_reserve_bytes", "Bytes that are never filled", reserve);
    let help = "Bytes reserved for uploads and zips in progress, as they count for a device that begins an upload";
    gauge(&mut registry, "disk_reserved_bytes", help, recordings.reserved_space().await?);
    gauge(&mut registry, "disk_free_inodes", "Free inodes of the disk under uploads/", free.inodes);
    if let Some(full_at) = recordings.full_at(free.bytes.saturating_sub(reserve)).await? {
        let help = "When the disk will be full if as much comes in as in the last week";
        gauge(&mut registry, "disk_full_timestamp_seconds", help, full_at / 1000);
    }

    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: impl TryInto<i64>) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value.try_into().unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

/// A gauge with one label.
struct Labelled {
    label: &'static str,
    family: Family<Vec<(&'static str, &'static str)>, Gauge>,
}

impl Labelled {
    fn new(registry: &mut Registry, name: &str, help: &str, label: &'static str) -> Self {
        let family = Family::default();
        registry.register(name, help, Family::clone(&family));
        Self { label, family }
    }

    fn set(&mut self, value: &'static str, number: impl TryInto<i64>) {
        self.family.get_or_create(&vec![(self.label, value)]).set(number.try_into().unwrap_or(i64::MAX));
    }
}
