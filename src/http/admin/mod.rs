//! What researchers and operators see: pages, and the same as JSON. Each file holds a page, its template's struct and its
//! JSON together.

pub mod devices;
pub mod front;
pub mod quarantine;
pub mod recordings;
pub mod requests;
pub mod settings;
pub mod trash;
