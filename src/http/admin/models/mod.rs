//! Models: published, handed out, and which watch runs which.

pub mod brought;
pub mod give;
pub mod list;
pub mod one;
pub mod publish;
mod typed;
mod views;

pub use views::{AudienceView, ModelsOfDevice, OwnModel};
