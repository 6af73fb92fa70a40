//! The server under a wrong wall clock, in both directions: nothing is erased and no grant expires before its full time has passed.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};
use std::process::{Command, Output};
use tempfile::TempDir;

use crate::support::{FakeClock, Program, Researcher, Watch, until};

const DAY: i64 = 24 * 60 * 60;

/// What the erasing task removes at the end of a look: once it is gone, everything that was due is erased.
const WITNESS: &str = "INSERT INTO participants (id, label, created_at, forgotten_at) VALUES ('witness', 'witness', 1, 1)";

/// An instance whose wall clock can be set.
struct Instance {
    folder: TempDir,
    clock: FakeClock,
}

impl Instance {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let clock = FakeClock::in_folder(folder.path());
        Self { folder, clock }
    }

    fn start(&self) -> Program {
        Program::in_folder(self.folder.path()).clock(&self.clock).start()
    }

    fn stop(mut program: Program) {
        program.terminate();
        assert!(program.wait().success());
    }

    async fn catalog(&self) -> SqliteConnection {
        let path = self.folder.path().join("uploads/.house/catalog.sqlite");
        SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("the catalog")
    }

    async fn change(&self, statement: &'static str) {
        self.catalog().await.execute(statement).await.expect("changed");
    }

    /// The rows that a query finds, each as text.
    async fn rows(&self, query: &str) -> Vec<String> {
        let query = format!("SELECT CAST(c AS TEXT) AS c FROM ({query})");
        let rows = self.catalog().await.fetch_all(AssertSqlSafe(query)).await.expect("rows");
        rows.iter().map(|row| row.get::<Option<String>, _>("c").unwrap_or_default()).collect()
    }

    /// Starts the server, and waits until its erasing task has looked once.
    async fn start_and_look(&self) -> Program {
        self.change(WITNESS).await;
        let program = self.start();
        until("the erasing task has looked", async || self.rows("SELECT id AS c FROM participants").await.is_empty()).await;
        program
    }

    /// `wearhouse clock`, by this clock.
    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wearhouse"));
        command.arg("clock").args(arguments).arg("--config").arg(self.folder.path().join("config.yml"));
        command.envs(self.clock.environment()).output().expect("the program")
    }
}

async fn status(researcher: &Researcher) -> Value {
    researcher.json("/api/v1/clock").await
}

/// Confirms the time that the server shows.
async fn confirm(operator: &Researcher) -> u16 {
    let seen = serde_json::json!({"clock": status(operator).await["clock"]});
    confirm_seen(operator, seen).await
}

async fn confirm_seen(operator: &Researcher, seen: Value) -> u16 {
    operator.request("POST", "/api/v1/clock/confirm").json(&seen).send().await.expect("a response").status().as_u16()
}

async fn confirm_on_page(operator: &Researcher) -> u16 {
    let seen = [("clock", status(operator).await["clock"].to_string())];
    operator.request("POST", "/clock/confirm").form(&seen).send().await.expect("a response").status().as_u16()
}

async fn until_fault(researcher: &Researcher, fault: &str) {
    until(&format!("the clock is {fault}"), async || status(researcher).await["fault"] == fault).await;
}

async fn until_trusted(researcher: &Researcher) {
    until("the clock is trusted", async || status(researcher).await["trusted"] == true).await;
}

async fn delete(researcher: &Researcher, uuid: &str) {
    let response = researcher.request("DELETE", &format!("/api/v1/datasets/{uuid}")).send().await.expect("a response");
    assert_eq!(response.status(), 204);
}

async fn trash(researcher: &Researcher) -> Vec<String> {
    let trash = researcher.json("/api/v1/trash").await;
    let datasets = trash["datasets"].as_array().expect("datasets").iter();
    datasets.map(|dataset| dataset["uuid"].as_str().expect("a uuid").to_owned()).collect()
}

async fn dataset(watch: &Watch) -> String {
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1").await;
    uuid
}

fn real_now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[tokio::test]
async fn a_server_that_starts_400_days_ahead_erases_nothing_and_keeps_its_grants() {
    let instance = Instance::new();
    let program = instance.start();
    let researcher = program.researcher();
    let watch = researcher.let_in("kitchen[1]").await;
    let uuid = dataset(&watch).await;
    delete(&researcher, &uuid).await;
    researcher.poll("bath[2]").await;
    researcher.grant("bath[2]").await;
    Instance::stop(program);

    instance.clock.set_ahead(400 * DAY);
    let program = instance.start_and_look().await;
    let researcher = program.researcher();
    assert_eq!(trash(&researcher).await, [uuid]);
    until_fault(&researcher, "ahead").await;
    watch.at(researcher.base()).upload(&dataset(&watch.at(researcher.base())).await, "gyro.csv", "2").await;
    assert_eq!(researcher.poll("bath[2]").await["status"], "grant");
    until("there is an alert", async || instance.rows("SELECT kind AS c FROM alerts").await.contains(&"clock".to_owned())).await;
    assert!(program.said().contains("the machine's clock seems to be wrong"), "{}", program.said());
    Instance::stop(program);

    instance.clock.set_ahead(0);
    let program = instance.start();
    until_trusted(&program.researcher()).await;
    assert_eq!(trash(&program.researcher()).await.len(), 1);
    let future = format!("SELECT received_at AS c FROM files WHERE received_at > {}", real_now());
    assert!(instance.rows(&future).await.is_empty());
}

#[tokio::test]
async fn what_is_deleted_and_granted_in_1970_has_its_full_time_once_the_clock_is_right() {
    let instance = Instance::new();
    let program = instance.start();
    let watch = program.researcher().let_in("kitchen[1]").await;
    Instance::stop(program);

    instance.clock.set_to(1000);
    let program = instance.start();
    let researcher = program.researcher();
    until_fault(&researcher, "behind").await;
    let uuid = dataset(&watch.at(researcher.base())).await;
    delete(&researcher, &uuid).await;
    researcher.poll("bath[2]").await;
    researcher.grant("bath[2]").await;
    Instance::stop(program);

    instance.clock.set_ahead(0);
    let program = instance.start_and_look().await;
    let researcher = program.researcher();
    until_trusted(&researcher).await;
    assert_eq!(trash(&researcher).await, [uuid]);
    assert_eq!(researcher.poll("bath[2]").await["status"], "grant");
    let wrong = format!("SELECT uuid AS c FROM datasets WHERE created_at NOT BETWEEN {} AND {}", real_now() - 600_000, real_now());
    assert!(instance.rows(&wrong).await.is_empty());
}

/// Off for three months, with an empty battery: what is read off the files needs the true time of their arrival.
#[tokio::test]
async fn a_run_that_arrives_under_a_wrong_clock_has_its_start_and_participant_after_one_confirmation() {
    let instance = Instance::new();
    let program = instance.start();
    let watch = program.researcher().let_in("kitchen[1]").await;
    Instance::stop(program);
    instance.change("UPDATE clock SET newest_at = newest_at - 90 * 86400000, reached_at = reached_at - 90 * 86400000").await;
    instance.change("INSERT INTO participants (id, label, created_at) VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'P01', 0)").await;
    instance.change("INSERT INTO spans SELECT 's', '67e55044-10b1-426f-9247-bb680e5fe0c8', id, 0, NULL FROM devices").await;

    instance.clock.set_to(1000);
    let program = instance.start();
    let researcher = program.researcher();
    let watch = watch.at(researcher.base());
    let uuid = watch.new_dataset().await;
    let start = jiff::Timestamp::from_second(real_now() / 1000 - 600).expect("a time");
    watch.upload(&uuid, "metaInfo_7.json", format!(r#"{{"date": "{start}", "run_number": 7}}"#)).await;
    let run = async |column: &str| instance.rows(&format!("SELECT {column} AS c FROM datasets WHERE uuid = '{uuid}'")).await.swap_remove(0);
    until("it is read", async || run("run_number").await == "7").await;
    assert_eq!(run("started_at").await, "", "a start after the arrival is not plausible");

    instance.clock.set_ahead(0);
    until_fault(&researcher, "ahead").await;
    assert_eq!(confirm(&researcher.without_power()).await, 403);
    assert_eq!(confirm(&researcher).await, 200);
    until("it is read again", async || run("started_at").await == start.as_millisecond().to_string()).await;
    assert_eq!(run("participant").await, "67e55044-10b1-426f-9247-bb680e5fe0c8");
    let noted = instance.rows("SELECT who || ' ' || action AS c FROM audit WHERE subject = 'clock'").await;
    assert_eq!(noted, ["admin confirmed the time"]);
}

#[tokio::test]
async fn a_clock_that_is_stepped_while_the_server_runs_is_reported_until_it_is_right() {
    let instance = Instance::new();
    let program = instance.start();
    let researcher = program.researcher();
    let watch = researcher.let_in("kitchen[1]").await;
    researcher.poll("bath[2]").await;
    researcher.grant("bath[2]").await;
    assert!(!researcher.get("/").await.text().await.expect("text").contains("Confirm time"));

    instance.clock.set_ahead(400 * DAY);
    assert_eq!(researcher.poll("bath[2]").await["status"], "grant", "at once, too");
    until_fault(&researcher, "ahead").await;
    let ready = reqwest::get(format!("{}/readyz", researcher.base())).await.expect("a response");
    assert_eq!(ready.status(), 200, "uploads are taken");
    assert_eq!(ready.json::<Value>().await.expect("JSON")["clock"], "failing");
    assert!(program.metrics().await.contains("\nwearhouse_clock_trusted 0\n"));
    assert!(researcher.get("/").await.text().await.expect("text").contains("Confirm time"));
    assert!(!researcher.without_power().get("/").await.text().await.expect("text").contains("Confirm time"));
    assert!(researcher.get("/trash/").await.text().await.expect("text").contains("Nothing is erased early"));
    let seen_before = serde_json::json!({"clock": real_now() + 399 * DAY * 1000});
    instance.clock.set_ahead(800 * DAY);
    until("the second step is seen", async || status(&researcher).await["clock"].as_i64() > Some(real_now() + 700 * DAY * 1000)).await;
    assert_eq!(confirm_seen(&researcher, seen_before).await, 409, "that is another time");
    assert_eq!(confirm_seen(&researcher, serde_json::json!({})).await, 400);
    assert_eq!(status(&researcher).await["trusted"], false);
    instance.clock.set_ahead(0);
    until_trusted(&researcher).await;

    instance.clock.set_to(1000);
    until_fault(&researcher, "behind").await;
    let uuid = dataset(&watch).await;
    delete(&researcher, &uuid).await;
    assert_eq!(confirm_on_page(&researcher).await, 409, "1970 is never right");
    assert!(!researcher.get("/").await.text().await.expect("text").contains("Confirm time"), "nobody is asked to try");
    instance.clock.set_ahead(0);
    until_trusted(&researcher).await;
    let deleted_at: i64 =
        instance.rows(&format!("SELECT deleted_at AS c FROM datasets WHERE uuid = '{uuid}'")).await[0].parse().expect("a time");
    assert!((0..600_000).contains(&(real_now() - deleted_at)), "{deleted_at}");
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_and_is_corrected_is_confirmed_once_and_blocks_nothing() {
    let instance = Instance::new();
    let program = instance.start();
    let researcher = program.researcher();
    instance.clock.set_ahead(6 * DAY);
    let ahead = real_now() + 5 * DAY * 1000;
    until("the jump is seen", async || status(&researcher).await["newest"].as_i64().is_some_and(|newest| newest > ahead)).await;
    instance.clock.set_ahead(0);
    until_fault(&researcher, "behind").await;
    assert_eq!(confirm_on_page(&researcher).await, 303);
    let confirmed = status(&researcher).await;
    assert_eq!(confirmed["trusted"], true);
    assert!(confirmed["newest"].as_i64().expect("a time") <= real_now(), "the stored time is reset");
    Instance::stop(program);
    let program = instance.start();
    assert_eq!(status(&program.researcher()).await["trusted"], true);
}

#[tokio::test]
async fn the_time_is_confirmed_on_the_command_line_while_the_server_runs_and_while_it_is_stopped() {
    let instance = Instance::new();
    let said = |output: Output| String::from_utf8(output.stdout).expect("text");
    let program = instance.start();
    let researcher = program.researcher();
    until("the time is stored", async || said(instance.command(&[])).starts_with("trusted: ")).await;
    instance.clock.set_ahead(100 * DAY);
    until_fault(&researcher, "ahead").await;
    assert!(said(instance.command(&[])).starts_with("not trusted: "));
    assert!(instance.command(&["--confirm"]).status.success());
    until_trusted(&researcher).await;
    until("it is noted", async || instance.rows("SELECT detail AS c FROM audit WHERE subject = 'clock'").await.len() == 1).await;
    Instance::stop(program);

    instance.clock.set_ahead(200 * DAY);
    assert!(instance.command(&["--confirm"]).status.success());
    let program = instance.start();
    until_trusted(&program.researcher()).await;
    Instance::stop(program);
    instance.clock.set_to(1000);
    assert!(!instance.command(&["--confirm"]).status.success(), "1970 is never right");
}
