//! What happens to the server: it is killed, stopped and started again, reads other settings, and its clock is stepped.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    context::{Context, Failure},
    full_check,
    names::Rule,
};

/// Requests between two events.
const PAUSE: std::ops::Range<u64> = 60..500;

/// The clock is stepped by less than an hour, or by years, at most by so many seconds in either direction.
const STEP: i64 = 3000;
const LEAP: i64 = 400 * 24 * 3600;

/// How often each event happens, of the sum of all.
const WEIGHTS: [(Event, u32); 6] = [
    (Event::Kill, 3),
    (Event::Terminate, 2),
    (Event::Reload, 5),
    (Event::SetClock { within: STEP }, 2),
    (Event::SetClock { within: LEAP }, 1),
    (Event::FullCheck, 2),
];

#[derive(Debug, Clone, Copy)]
enum Event {
    Kill,
    Terminate,
    Reload,
    /// The clock is so many seconds off at most.
    SetClock {
        within: i64,
    },
    /// Everything is compared while nothing is in flight.
    FullCheck,
}

/// Lets events happen until the run is over.
pub async fn run(context: &Context, seed: u64) -> Result<(), Failure> {
    let mut dice = StdRng::seed_from_u64(seed);
    loop {
        context.more_requests(dice.random_range(PAUSE)).await;
        if context.is_over() {
            return Ok(());
        }
        match choose(&mut dice) {
            Event::Kill => kill(context, time_at_start(&mut dice)).await?,
            Event::Terminate => terminate(context, time_at_start(&mut dice)).await?,
            Event::Reload => {
                let _operation = context.operate().await;
                change_rule(context, Rule::random(&mut dice)).await?;
            }
            Event::SetClock { within } => set_clock(context, dice.random_range(-within..=within)).await,
            Event::FullCheck => {
                let _idle = context.wait_until_idle().await;
                full_check::run(context).await?;
            }
        }
    }
}

fn choose(dice: &mut StdRng) -> Event {
    let mut number = dice.random_range(0..WEIGHTS.iter().map(|(_, weight)| weight).sum());
    for (event, weight) in WEIGHTS {
        if number < weight {
            return event;
        }
        number -= weight;
    }
    Event::FullCheck
}

/// Sometimes the time is another one when the server starts again, as after an empty battery.
fn time_at_start(dice: &mut StdRng) -> Option<i64> {
    (dice.random_range(0..2) == 0).then(|| dice.random_range(-LEAP..=LEAP))
}

/// `kill -9` in the middle of what is in flight; started again, everything that was acknowledged is there.
pub async fn kill(context: &Context, seconds_ahead: Option<i64>) -> Result<(), Failure> {
    context.note(None, "kill -9");
    context.count_stop_or_start();
    context.server().await.kill();
    start_again(context, seconds_ahead).await
}

/// SIGTERM: what is in flight may end.
async fn terminate(context: &Context, seconds_ahead: Option<i64>) -> Result<(), Failure> {
    context.note(None, "SIGTERM");
    context.count_stop_or_start();
    context.server().await.terminate();
    context.wait("the server has stopped", async || context.server().await.has_ended()).await?;
    start_again(context, seconds_ahead).await
}

async fn start_again(context: &Context, seconds_ahead: Option<i64>) -> Result<(), Failure> {
    let _idle = context.wait_until_idle().await;
    if let Some(seconds) = seconds_ahead {
        set_clock(context, seconds).await;
    }
    let rule = {
        let mut server = context.server().await;
        server.start_again();
        server.rule()
    };
    context.count_stop_or_start();
    context.model().rule.settle(rule);
    context.note(None, format!("started again, {rule:?}"));
    full_check::run(context).await
}

/// Puts other privacy patterns in force. It is part of an operation.
pub async fn change_rule(context: &Context, rule: Rule) -> Result<(), Failure> {
    // One at a time, since the log does not tell them apart.
    let _turn = context.reloading().await;
    let run = context.run();
    let asked = {
        let mut model = context.model();
        let asked = model.tick();
        model.rule.begin(rule, asked);
        asked
    };
    let reload = context.server().await.change_rule(rule);
    let has_restarted = || !run.lasts_until(context.run());
    context.wait("the config was read", async || has_restarted() || context.server().await.has_reloaded(&reload)).await?;
    // Killed before that, the server starts with the new one.
    if !has_restarted() {
        let mut model = context.model();
        let answered = model.tick();
        model.rule.confirm(asked, answered);
    }
    context.note(None, format!("{rule:?} is in force, asked at {}", asked.0));
    Ok(())
}

async fn set_clock(context: &Context, seconds_ahead: i64) {
    context.note(None, format!("the clock is set {seconds_ahead} s ahead"));
    context.server().await.clock.set_ahead(seconds_ahead);
}
