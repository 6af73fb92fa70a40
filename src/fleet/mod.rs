//! Watches without wearers.
