//! A random model test: devices, researchers and an operator work at once on a real server, which is killed, stopped, given other
//! settings and another time meanwhile. A model notes what was requested and what was answered, and knows from it what each further
//! response may hold.
//!
//! # What is checked
//! Everything has a place in one logical time: each request and each response is a moment ([`history::Moment`]). A change takes effect
//! at some moment between its request and its response. One that has no response, since the server was killed, may take effect at any
//! later moment or never; what came of it is found out when nothing is in flight ([`full_check`]). So of each value the model knows
//! which ones are possible within a span of time ([`history::History`]), and a response is wrong
//!
//! - **if it holds what its reader must not see**: bytes, names or lines of a dataset that was deleted, or of a file that the privacy
//!   rule keeps from the reader, whenever the server may have looked. It looks between the question and the response's head, and at
//!   its end where the question waits: not earlier before the head than it takes for 60 further requests to begin and
//!   end, and half a second ([`model::Model::last_look`]). So a zip that is asked for, waits, is deleted meanwhile, and is sent a second
//!   later is a failure, and one whose deletion is answered at the moment at which its head is sent is none;
//! - **if a zip that is answered 200 lacks a file** that was acknowledged before the question and that zips may hold during all
//!   of the time until the response's head, holds a file that no device sent, other bytes, or another description than one that was in
//!   force meanwhile. The rest of a download that was begun may be stale, but must be the rest, and allowed. A zip of many
//!   datasets may break off while it is sent;
//! - **if a count or a list** on a page, in JSON or in CSV is none that was true within the request: exactly the model's, where nothing
//!   is in flight;
//! - **if a request is rejected** without a reason: 404 for what is there, 503 before the bound, any 500;
//! - **if the disk** holds other files than those that were acknowledged and not erased, or other bytes: when nothing is in flight, after
//!   each start, and at the end.
//!
//! The choices of each actor follow from the seed and from what the model knows. `WEARHOUSE_MODEL_SEED` sets the seed,
//! `WEARHOUSE_MODEL_SECONDS` how long it runs.

mod changes;
mod context;
mod events;
mod full_check;
mod history;
mod lists;
mod model;
mod names;
mod operation;
mod pages;
mod server;
mod uploads;
mod waiting;
mod zips;

use std::{fmt::Display, str::FromStr, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use self::{
    context::{Context, Failure},
    history::History,
    model::{Device, Reader},
    names::Rule,
    operation::{Actor, Generator},
    server::{DEVICES, Server},
};

/// How long it runs by default.
const SECONDS: u64 = 60;

/// Who works at once.
const ACTORS: [Actor; 8] = [
    Actor::Device(0),
    Actor::Device(1),
    Actor::Device(2),
    Actor::Device(1),
    Actor::Person(Reader::Researcher),
    Actor::Person(Reader::Researcher),
    Actor::Person(Reader::Operator),
    Actor::Person(Reader::Operator),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_is_one_that_the_model_allows_and_nothing_is_lost() {
    let seed = from_environment("WEARHOUSE_MODEL_SEED").unwrap_or_else(rand::random);
    let seconds = from_environment("WEARHOUSE_MODEL_SECONDS").unwrap_or(SECONDS);
    println!("WEARHOUSE_MODEL_SEED={seed} WEARHOUSE_MODEL_SECONDS={seconds}");
    let mut dice = StdRng::seed_from_u64(seed);
    let rule = Rule::random(&mut dice);
    let context = Arc::new(Context::new(rule, Server::start(rule).await));
    let ran = run(&context, &mut dice, Duration::from_secs(seconds)).await;
    if let Err(failure) = ran {
        context.fail(failure);
    }
    if let Some(failure) = context.failure() {
        panic!("WEARHOUSE_MODEL_SEED={seed}: {failure}\nthe log ends with\n{}", context.server().await.end_of_log());
    }
    let model = context.model();
    let files: usize = model.datasets.values().map(|dataset| dataset.files.len()).sum();
    let (requests, datasets) = (model.requests(), model.datasets.len());
    println!(
        "{requests} requests, {datasets} datasets, {files} files, {} restarts, {} without a response",
        context.restarts(),
        context.lost()
    );
    assert!(requests > 3 * seconds, "hardly anything was done: {requests} requests");
}

async fn run(context: &Arc<Context>, dice: &mut StdRng, time: Duration) -> Result<(), Failure> {
    for id in lists::device_ids(context, &DEVICES).await? {
        context.model().devices.push(Device { id, has_access: History::new(true) });
    }
    let large = waiting::large_dataset(context).await?;
    let mut actors = JoinSet::new();
    for actor in ACTORS {
        actors.spawn(act(Arc::clone(context), actor, dice.random()));
    }
    let (events, episodes) = (dice.random(), dice.random());
    tokio::join!(
        async { end_on_failure(context, events::run(context, events).await) },
        async { end_on_failure(context, waiting::run(context, &large, episodes).await) },
        async {
            // A failure ends it earlier.
            let _ended = tokio::time::timeout(time, context.until_over()).await;
            context.end();
        },
    );
    while let Some(ended) = actors.join_next().await {
        ended.map_err(|panic| Failure::new(panic.to_string()))?;
    }
    if context.has_failed() {
        return Ok(());
    }
    {
        let _idle = context.wait_until_idle().await;
        full_check::run(context).await?;
    }
    events::kill(context, None).await
}

/// Carries out one operation after the other until the run is over.
async fn act(context: Arc<Context>, actor: Actor, seed: u64) {
    let mut generator = Generator::new(seed);
    while !context.is_over() {
        let _operation = context.operate().await;
        let operation = generator.next(actor, &context.model());
        end_on_failure(&context, operation.carry_out(actor, &context).await);
    }
}

fn end_on_failure(context: &Context, result: Result<(), Failure>) {
    if let Err(failure) = result {
        context.fail(failure);
    }
}

fn from_environment<T: FromStr<Err: Display>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}
