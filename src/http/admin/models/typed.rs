//! The form that publishes a model: what its fields are called, what was typed into them, and what is wrong with that.

use serde_json::{Map, Value};

use crate::{
    http::html::filters::grouped,
    models::{COOL_DOWN, FRAME_SIZE, KERNEL_SIZE, ModelSettings, SENSORS, WrongSetting, WrongSettings},
};

/// The settings that have a field of their own.
const OWN: [&str; 5] = ["frame_size", "mean_threshold", "mean_kernel_size", "notification_cool_down", "required_sensors"];

/// What was typed into the form, and what is wrong with it.
#[derive(Default)]
pub struct Typed {
    pub name: String,
    pub version: String,
    pub notes: String,
    pub settings: TypedSettings,
    pub wrong: Vec<WrongSetting>,
}

/// The settings as they were typed.
pub struct TypedSettings {
    pub frame_size: String,
    pub mean_threshold: String,
    pub mean_kernel_size: String,
    pub notification_cool_down: String,
    pub sensors: Vec<String>,
    pub further: String,
}

/// A field for a number.
pub struct NumberField<'a> {
    pub name: &'static str,
    /// What may stand there, and its unit.
    pub about: String,
    pub value: &'a str,
}

impl Default for TypedSettings {
    fn default() -> Self {
        let settings = ModelSettings::default();
        Self {
            frame_size: settings.frame_size.to_string(),
            mean_threshold: settings.mean_threshold.to_string(),
            mean_kernel_size: settings.mean_kernel_size.to_string(),
            notification_cool_down: settings.notification_cool_down.to_string(),
            sensors: settings.required_sensors.iter().map(u32::to_string).collect(),
            further: String::new(),
        }
    }
}

impl Typed {
    /// What a field is called on the page. What newer clients want beside ours is called as they call it.
    pub fn label(field: &str) -> &str {
        match field {
            "file" => "File",
            "name" => "Name on the watch",
            "version" => "Version",
            "notes" => "Notes",
            "frame_size" => "Frame size",
            "mean_threshold" => "Mean threshold",
            "mean_kernel_size" => "Mean over",
            "notification_cool_down" => "Pause between notifications",
            "required_sensors" => "Sensors that it needs",
            "further" => "Further settings",
            other => other,
        }
    }

    /// The numbers, each with its unit and its bounds.
    pub fn numbers(&self) -> [NumberField<'_>; 4] {
        let whole =
            |unit: &str, range: std::ops::RangeInclusive<u32>| format!("{unit}, {} to {}", range.start(), grouped(u64::from(*range.end())));
        let settings = &self.settings;
        let number = |name, about, value| NumberField { name, about, value };
        [
            number("frame_size", whole("samples in one window", FRAME_SIZE), &settings.frame_size),
            number("mean_threshold", "a probability, 0 to 1".to_owned(), &settings.mean_threshold),
            number("mean_kernel_size", whole("predictions", KERNEL_SIZE), &settings.mean_kernel_size),
            number("notification_cool_down", whole("seconds", COOL_DOWN), &settings.notification_cool_down),
        ]
    }

    /// What is wrong with a field.
    pub fn wrong_with(&self, field: &str) -> Vec<&str> {
        self.wrong.iter().filter(|wrong| wrong.field == field).map(|wrong| wrong.detail.as_str()).collect()
    }

    /// Whether anything is.
    pub fn is_wrong(&self, field: &str) -> bool {
        !self.wrong_with(field).is_empty()
    }

    /// Each known sensor, with its name, and whether it is chosen.
    pub fn sensors(&self) -> Vec<(u32, &'static str, bool)> {
        let is_chosen = |sensor: u32| self.settings.sensors.contains(&sensor.to_string());
        SENSORS.iter().map(|(sensor, name)| (*sensor, *name, is_chosen(*sensor))).collect()
    }

    /// The sensors that are chosen and have no box of their own.
    pub fn other_sensors(&self) -> String {
        let known = |sensor: &&String| !SENSORS.iter().any(|(known, _)| known.to_string() == **sensor);
        self.settings.sensors.iter().filter(known).cloned().collect::<Vec<_>>().join(" ")
    }
}

impl TypedSettings {
    /// The settings, or everything that is wrong with them.
    pub fn parse(&self) -> Result<ModelSettings, WrongSettings> {
        // What is no number is told from one by the settings themselves.
        let value = |text: &String| serde_json::from_str(text.trim()).unwrap_or_else(|_| Value::from(text.trim()));
        let (mut said, unread) = self.further().map_or_else(|wrong| (Map::new(), Some(wrong)), |further| (further, None));
        for (name, text) in
            OWN.into_iter().zip([&self.frame_size, &self.mean_threshold, &self.mean_kernel_size, &self.notification_cool_down])
        {
            said.insert(name.to_owned(), value(text));
        }
        said.insert("required_sensors".to_owned(), self.sensors.iter().map(value).collect());
        let parsed = ModelSettings::parse(said);
        let Some(detail) = unread else { return parsed };
        let mut wrong = parsed.map_or_else(|wrong| wrong.0, |_| Vec::new());
        wrong.push(WrongSetting { field: "further".to_owned(), detail });
        Err(WrongSettings(wrong))
    }

    /// What else was typed; a setting with a field of its own would be lost here.
    fn further(&self) -> Result<Map<String, Value>, String> {
        if self.further.trim().is_empty() {
            return Ok(Map::new());
        }
        let example = "write a JSON object, such as {\"zones\": 3}, or nothing";
        let further: Map<_, _> = serde_json::from_str(&self.further).map_err(|error| format!("{example}: {error}"))?;
        match OWN.into_iter().find(|own| further.contains_key(*own)) {
            Some(own) => Err(format!("{own} has a field of its own, {}: take it out here", Typed::label(own))),
            None => Ok(further),
        }
    }
}
