//! A model's settings: how the watch feeds it, and what it makes of its predictions.

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Android's sensor types that a watch may have, by `android.hardware.Sensor.TYPE_*`, with the names that its documentation uses.
pub const SENSORS: [(u32, &str); 22] = [
    (1, "accelerometer"),
    (2, "magnetic field"),
    (4, "gyroscope"),
    (5, "light"),
    (6, "pressure"),
    (8, "proximity"),
    (9, "gravity"),
    (10, "linear acceleration"),
    (11, "rotation vector"),
    (12, "relative humidity"),
    (13, "ambient temperature"),
    (14, "magnetic field, uncalibrated"),
    (15, "game rotation vector"),
    (16, "gyroscope, uncalibrated"),
    (17, "significant motion"),
    (18, "step detector"),
    (19, "step counter"),
    (20, "geomagnetic rotation vector"),
    (21, "heart rate"),
    (31, "heart beat"),
    (34, "off-body detection"),
    (35, "accelerometer, uncalibrated"),
];

/// From here on a sensor's type is its maker's own (`Sensor.TYPE_DEVICE_PRIVATE_BASE`).
const PRIVATE_SENSORS: RangeInclusive<u32> = 0x1_0000..=0x7fff_ffff;
/// Samples in one window.
pub const FRAME_SIZE: RangeInclusive<u32> = 1..=100_000;
/// Predictions that are averaged.
pub const KERNEL_SIZE: RangeInclusive<u32> = 1..=10_000;
/// Seconds from one notification to the next.
pub const COOL_DOWN: RangeInclusive<u32> = 0..=7 * 86_400;
/// Sensors that one model may need.
const MOST_SENSORS: usize = 32;
/// Bytes of all further settings, as JSON.
const MOST_FURTHER: usize = 16 << 10;

/// What `settings.json` says: the five settings that the app in the field knows, and whatever else newer clients may want.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelSettings {
    /// Samples in one window of the sensors, 1 to 100,000.
    pub frame_size: u32,
    /// From which mean of its last predictions on the model has recognised something: a probability, 0 to 1.
    pub mean_threshold: f64,
    /// Predictions that are averaged, 1 to 10,000.
    pub mean_kernel_size: u32,
    /// Seconds from one notification of the wearer to the next, at least; at most a week.
    pub notification_cool_down: u32,
    /// The sensors that it is fed with, as Android's sensor types, in the order of its inputs.
    pub required_sensors: Vec<u32>,
    /// Further settings.
    #[serde(flatten)]
    pub further: Map<String, Value>,
}

impl Default for ModelSettings {
    /// Three seconds of accelerometer and gyroscope at 50 Hz.
    fn default() -> Self {
        let (frame_size, mean_threshold, mean_kernel_size) = (150, 0.5, 20);
        let required_sensors = vec![1, 4];
        Self { frame_size, mean_threshold, mean_kernel_size, notification_cool_down: 60, required_sensors, further: Map::new() }
    }
}

/// One setting that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct WrongSetting {
    /// Its name.
    pub field: String,
    /// What to write instead.
    pub detail: String,
}

/// What cannot be taken, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(WrongSetting::to_string).collect::<Vec<_>>().join("; "))]
pub struct WrongSettings(pub Vec<WrongSetting>);

impl ModelSettings {
    /// Reads what somebody said, all of it; what is not said is missing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(mut said: Map<String, Value>) -> Result<Self, WrongSettings> {
        let mut wrong = Vec::new();
        let settings = Self {
            frame_size: number(&mut said, "frame_size", FRAME_SIZE, "samples", &mut wrong),
            mean_threshold: threshold(&mut said, &mut wrong),
            mean_kernel_size: number(&mut said, "mean_kernel_size", KERNEL_SIZE, "predictions", &mut wrong),
            notification_cool_down: number(&mut said, "notification_cool_down", COOL_DOWN, "seconds", &mut wrong),
            required_sensors: sensors(&mut said, &mut wrong),
            further: said,
        };
        if Value::Object(settings.further.clone()).to_string().len() > MOST_FURTHER {
            say(&mut wrong, "further", "these are more than 16 KiB; leave out what a watch does not need");
        }
        if wrong.is_empty() { Ok(settings) } else { Err(WrongSettings(wrong)) }
    }

    /// The settings that a run's `metaInfo` says it had, under `tf_settings`, as an object or as its text; `None` where there are no good
    /// ones.
    #[must_use]
    pub fn of_meta_info(text: &str) -> Option<Self> {
        let mut said: Map<String, Value> = serde_json::from_str(text).ok()?;
        let settings = match said.remove("tf_settings")? {
            Value::String(text) => serde_json::from_str(&text).ok()?,
            settings => settings,
        };
        Self::parse(settings.as_object()?.clone()).ok()
    }

    /// The JSON that a watch gets.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}", json!(self))
    }
}

fn say(wrong: &mut Vec<WrongSetting>, field: &str, detail: impl Into<String>) {
    wrong.push(WrongSetting { field: field.to_owned(), detail: detail.into() });
}

fn number(said: &mut Map<String, Value>, field: &str, range: RangeInclusive<u32>, unit: &str, wrong: &mut Vec<WrongSetting>) -> u32 {
    let number = said.shift_remove(field).and_then(|value| value.as_u64()).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| range.contains(number)).unwrap_or_else(|| {
        say(wrong, field, format!("write a whole number of {unit} from {} to {}", range.start(), range.end()));
        *range.start()
    })
}

fn threshold(said: &mut Map<String, Value>, wrong: &mut Vec<WrongSetting>) -> f64 {
    let number = said.shift_remove("mean_threshold").and_then(|value| value.as_f64());
    number.filter(|number| (0.0..=1.0).contains(number)).unwrap_or_else(|| {
        say(wrong, "mean_threshold", "write a probability from 0 to 1, such as 0.6");
        0.0
    })
}

fn sensors(said: &mut Map<String, Value>, wrong: &mut Vec<WrongSetting>) -> Vec<u32> {
    let values = said.shift_remove("required_sensors").and_then(|value| value.as_array().cloned()).unwrap_or_default();
    let is_known = |sensor: &u32| SENSORS.iter().any(|(known, _)| known == sensor) || PRIVATE_SENSORS.contains(sensor);
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(is_known);
    let sensors: Vec<_> = values.iter().filter_map(number).collect();
    if values.is_empty() || values.len() > MOST_SENSORS {
        say(wrong, "required_sensors", format!("choose one to {MOST_SENSORS} sensors"));
    } else if sensors.len() < values.len() {
        say(wrong, "required_sensors", "choose Android's sensor types, as numbers: 1 for the accelerometer, 4 for the gyroscope");
    } else if sensors.iter().collect::<BTreeSet<_>>().len() < sensors.len() {
        say(wrong, "required_sensors", "name each sensor once");
    }
    sensors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ModelSettings, WrongSettings> {
        let Ok(Value::Object(said)) = serde_json::from_str(text) else { panic!("not an object: {text}") };
        ModelSettings::parse(said)
    }

    const WHOLE: &str = r#"{"frame_size": 128, "mean_threshold": 0.59, "mean_kernel_size": 5, "notification_cool_down": 0,
        "required_sensors": [10, 4], "zones": {"a": [1, 2]}}"#;

    #[test]
    fn what_is_said_is_what_a_watch_gets() {
        let settings = parse(WHOLE).expect("good");
        assert_eq!((settings.frame_size, settings.mean_kernel_size, settings.notification_cool_down), (128, 5, 0));
        assert_eq!(settings.required_sensors, [10, 4]);
        let (sent, said): (Value, Value) =
            (serde_json::from_str(&settings.to_json()).expect("JSON"), serde_json::from_str(WHOLE).expect("JSON"));
        assert_eq!(sent, said);
        assert_eq!(parse(&ModelSettings::default().to_json()).expect("good"), ModelSettings::default());
    }

    #[test]
    fn each_setting_has_bounds_and_its_own_sentence() {
        for (field, values) in [
            ("frame_size", ["0", "100001", "1.5", "\"x\"", "-1", "null"]),
            ("mean_threshold", ["-0.01", "1.01", "\"0.5\"", "null", "[]", "{}"]),
            ("mean_kernel_size", ["0", "10001", "1e9", "true", "-3", "4294967296"]),
            ("notification_cool_down", ["-1", "604801", "0.5", "\"\"", "null", "[1]"]),
            ("required_sensors", ["[]", "[3]", "[1, 1]", "[1, \"x\"]", "7", "[65535]"]),
        ] {
            for value in values {
                let Ok(Value::Object(mut said)) = serde_json::from_str(WHOLE) else { panic!("an object") };
                said.insert(field.to_owned(), serde_json::from_str(value).expect("JSON"));
                let wrong = ModelSettings::parse(said).expect_err(value).0;
                assert_eq!(wrong.iter().map(|wrong| wrong.field.as_str()).collect::<Vec<_>>(), [field], "{value}");
            }
        }
        assert_eq!(parse("{}").expect_err("nothing said").0.len(), 5);
        let far = WHOLE.replace("[1, 2]", &format!("\"{}\"", "x".repeat(MOST_FURTHER)));
        assert_eq!(parse(&far).expect_err("too much").0[0].field, "further");
        assert!(parse(&WHOLE.replace("[10, 4]", "[65536, 2147483647]")).is_ok());
    }
}
