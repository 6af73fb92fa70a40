//! What a run says of itself: read off its files behind the uploads' back, and what is missing of it all.

mod burst;
mod calendar;
mod describe;
mod gaps;
mod meta_info;
mod missing;
mod names;
mod passed_over;
mod past;
mod reader;
mod rhythm;
mod start;
mod tail;

pub use calendar::{Day, Hour, calendar};
pub use gaps::{Gap, gaps};
pub use meta_info::{MOST_CHARS, MetaInfo, is_meta_info};
pub use missing::{Missing, MissingKind, SilentDevice, SkippedRuns, UnfinishedDataset};
pub use names::{NameFacts, Named};
pub use reader::Reader;
pub use rhythm::{allowed_silence, usual_silence};
pub use start::{plausible_start, read_time};
