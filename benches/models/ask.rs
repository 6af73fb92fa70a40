//! Asking which model a device is to have: at random moments, while models are given, all at once, and as fast as it goes.

use std::time::{Duration, Instant};

use crate::{
    Scale,
    connection::Connection,
    fleet::{Answers, Fleet, request},
    house::House,
    process::cpu_of,
    report::{Chapter, Goal},
    sample::figure,
    times::Times,
};

/// The bound where a thousand devices ask within a second, in milliseconds.
const BOUND: f64 = 5.0;
/// Connections that ask as fast as they are answered.
const CLOSED: usize = 16;
const HEAD: [&str; 6] = ["who asks", "p50, ms", "p99, ms", "the slowest, ms", "server CPU, µs each", "told wrongly"];

pub fn measure(house: &House, scale: &Scale) -> Chapter {
    let devices = figure(scale.devices as f64);
    let mut chapter = Chapter::new(format!("{devices} devices ask for their model, each over a connection of its own"), &HEAD);
    let server = &house.launched.server;
    let fleet = Fleet::new(server.address, scale.devices, &house.publisher.given);
    let mut wrong = fleet.at_once().wrong;
    for a_second in scale.paces {
        for changes in [0, scale.changes] {
            let cpu = server.cpu();
            let (answers, gives) = while_given(house, changes, scale.long, || fleet.at_random(*a_second, scale.long));
            let (questions, seconds) = ((a_second * scale.devices) as f64, scale.long.as_secs_f64());
            let each = (server.cpu() - cpu) * 1e6 / (questions * seconds);
            let mut what = format!("{} a second, at random moments", figure(questions));
            if *a_second == 1 {
                let meanwhile = if changes > 0 { format!(", while {changes} models are given to everyone") } else { String::new() };
                chapter.goal(Goal::at_most(format!("{what}{meanwhile}: p99, ms"), answers.since_due.at(99), BOUND));
            }
            if changes > 0 {
                what = format!(
                    "{what}, while {changes} models are published and given to everyone (the slowest give: {} ms)",
                    figure(gives.at(100))
                );
            }
            println!("  (from when it was asked and not from when it was due: p99 {} ms)", figure(answers.since_asked.at(99)));
            wrong += answers.wrong;
            chapter.row(row(what, &answers.since_due, each, answers.wrong));
        }
    }
    wrong += bursts(&mut chapter, &fleet, house, scale);
    chapter.goal(Goal::at_most("devices that were told what they are not to have (any more)", wrong as f64, 0.0));
    drop(fleet);
    closed(&mut chapter, house, scale);
    chapter
}

fn row(what: String, times: &Times, each: f64, wrong: usize) -> Vec<String> {
    [vec![what], times.cells().to_vec(), vec![figure(each), wrong.to_string()]].concat()
}

/// Does something while models are published and given.
fn while_given(house: &House, changes: usize, long: Duration, ask: impl FnOnce() -> Answers) -> (Answers, Times) {
    let mut publisher = house.publisher.clone();
    std::thread::scope(|scope| {
        let giving = scope.spawn(move || publisher.give_within(changes, long));
        (ask(), giving.join().expect("given"))
    })
}

/// All requests are written at the same moment. Returns how many were told wrongly.
fn bursts(chapter: &mut Chapter, fleet: &Fleet, house: &House, scale: &Scale) -> usize {
    let mut bursts = Vec::new();
    let cpu = house.launched.server.cpu();
    for _ in 0..scale.bursts {
        bursts.push(fleet.at_once());
        // The bursts are to be apart.
        std::thread::sleep(Duration::from_millis(200));
    }
    let each = (house.launched.server.cpu() - cpu) * 1e6 / (scale.bursts * scale.devices) as f64;
    bursts.sort_by(|a, b| a.since_due.at(99).total_cmp(&b.since_due.at(99)));
    let wrong = bursts.iter().map(|burst| burst.wrong).sum();
    let median = &bursts[bursts.len() / 2];
    let what = format!("all at the same moment (the median of {} times)", scale.bursts);
    chapter.row(row(format!("{what}, since that moment"), &median.since_due, each, wrong));
    chapter.row(row(format!("{what}, since each question was written"), &median.since_asked, each, wrong));
    wrong
}

/// A few connections ask as fast as they are answered.
fn closed(chapter: &mut Chapter, house: &House, scale: &Scale) {
    let server = &house.launched.server;
    let (began, cpu, own) = (Instant::now(), server.cpu(), cpu_of("self"));
    let ask = |n: usize| {
        let (request, mut connection) = (request(n), Connection::open(server.address).expect("a connection"));
        let mut times = Vec::new();
        while began.elapsed() < scale.long / 2 {
            let asked = Instant::now();
            assert!(connection.ask(&[request.as_bytes()]).expect("an answer").is_success());
            times.push(asked.elapsed());
        }
        times
    };
    let times: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..CLOSED).map(|n| scope.spawn(move || ask(n))).collect();
        asking.into_iter().flat_map(|asking| asking.join().expect("answers")).collect()
    });
    let (seconds, count) = (began.elapsed().as_secs_f64(), times.len() as f64);
    let each = (server.cpu() - cpu) * 1e6 / count;
    println!("  (the client's CPU, µs each: {})", figure((cpu_of("self") - own) * 1e6 / count));
    let what = format!("{CLOSED} connections, as fast as they are answered: {} a second", figure(count / seconds));
    chapter.row(row(what, &times.into_iter().collect(), each, 0));
    chapter.goal(Goal::plain(format!("{CLOSED} connections, as fast as they are answered: a second"), count / seconds));
}
