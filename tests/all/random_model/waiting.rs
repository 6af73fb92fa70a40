//! Questions that wait: the builder is kept busy with a large zip, another one is requested, and while that waits its dataset is
//! deleted, gets a file, or is under another privacy rule.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    changes,
    context::{Context, Failure},
    events, lists,
    model::{Model, Place, Reader},
    names::{self, Rule},
    uploads,
    uploads::Content,
    zips,
};

/// A zip of this many bytes takes long enough to build that others wait for it.
const LARGE: usize = 40 << 20;

/// The device that owns the large dataset.
const OWNER: usize = 0;

/// Requests between two episodes.
const PAUSE: std::ops::Range<u64> = 20..150;

/// What makes the published zip of a dataset stale, or is done while its zip is awaited.
#[derive(Debug, Clone, Copy)]
enum Step {
    Nothing,
    ChangeRule(Rule),
    Upload,
    Delete,
}

/// Plays episodes until the run is over.
pub async fn run(context: &Context, large: &str, seed: u64) -> Result<(), Failure> {
    let mut dice = StdRng::seed_from_u64(seed);
    while !context.is_over() {
        let operation = context.operate().await;
        episode(context, large, &mut dice).await?;
        drop(operation);
        context.more_requests(dice.random_range(PAUSE)).await;
    }
    Ok(())
}

/// The dataset whose zip keeps the builder busy. No other operation concerns it.
pub async fn large_dataset(context: &Context) -> Result<String, Failure> {
    let uuid = uploads::new_dataset(context, OWNER).await?.ok_or_else(|| Failure::new("no dataset was issued"))?;
    context.model().issued.retain(|issued| *issued != uuid);
    uploads::upload(context, OWNER, &uuid, "acc_1.csv", Content { variant: 1, size: LARGE }).await?;
    Ok(uuid)
}

async fn episode(context: &Context, large: &str, dice: &mut StdRng) -> Result<(), Failure> {
    let Some(target) = target(&context.model(), dice) else { return Ok(()) };
    let (before, meanwhile, number) = (before(dice), meanwhile(dice), dice.random_range(0..1_000_000));
    context.note(Some(&target), format!("an episode begins: {before:?}, then it is awaited, meanwhile {meanwhile:?}"));
    zips::zip(context, Reader::Researcher, &target).await?;
    step(context, &target, before, dice).await?;
    changes::describe(context, Reader::Operator, large, "", &format!("built {number} times")).await?;
    let (built, waited) = tokio::join!(zips::build(context, large), async {
        until_it_builds(context, large).await?;
        let others = async {
            // The question is on its way when these are answered.
            lists::dataset_json(context, Reader::Researcher, &target).await?;
            lists::dataset_json(context, Reader::Operator, &target).await?;
            step(context, &target, meanwhile, dice).await
        };
        let (asked, others) = tokio::join!(zips::zip(context, Reader::Researcher, &target), others);
        asked.and(others)
    });
    built.and(waited)?;
    if matches!(meanwhile, Step::Delete) { changes::restore(context, Reader::Researcher, &target).await } else { Ok(()) }
}

/// A dataset with files.
fn target(model: &Model, dice: &mut StdRng) -> Option<String> {
    let now = model.now();
    let is_good = |uuid: &&String| {
        let dataset = &model.datasets[*uuid];
        dataset.is_always(Place::Live, now) && dataset.files.iter().any(|file| file.is_always_stored(now))
    };
    let good: Vec<_> = model.issued.iter().rev().take(20).filter(is_good).collect();
    (!good.is_empty()).then(|| good[dice.random_range(0..good.len())].clone())
}

fn before(dice: &mut StdRng) -> Step {
    match dice.random_range(0..5) {
        0 => Step::Nothing,
        1 | 2 => Step::Upload,
        _ => Step::ChangeRule(Rule::random(dice)),
    }
}

fn meanwhile(dice: &mut StdRng) -> Step {
    match dice.random_range(0..6) {
        0 => Step::Upload,
        1 => Step::ChangeRule(Rule::random(dice)),
        _ => Step::Delete,
    }
}

async fn step(context: &Context, target: &str, step: Step, dice: &mut StdRng) -> Result<(), Failure> {
    match step {
        Step::Nothing => Ok(()),
        Step::ChangeRule(rule) => events::change_rule(context, rule).await,
        Step::Upload => {
            let owner = context.model().datasets[target].owner;
            let file = Content { variant: dice.random_range(5..200), size: 1000 };
            uploads::upload(context, owner, target, names::random(dice), file).await
        }
        Step::Delete => changes::delete(context, Reader::Operator, target).await,
    }
}

/// Waits until the builder writes the zip of a dataset.
async fn until_it_builds(context: &Context, uuid: &str) -> Result<(), Failure> {
    let run = context.run();
    let uploads = context.server().await.uploads();
    let building = uploads.join(".house/rolling").join(format!("{uuid}.zip"));
    context.wait("the large zip is built", async || building.exists() || !run.lasts_until(context.run()) || context.is_over()).await
}
