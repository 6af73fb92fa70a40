//! The settings page: it edits the config's file, and what it saves is in force.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::{Response, StatusCode};
use tempfile::TempDir;

use crate::support::{House, Program, Researcher, until};

const SECRET: &str = "kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=";
const NEW_PASSWORD: &str = "winter gravel marble anchor";

/// A program, its config and an operator before its page.
struct Running {
    folder: TempDir,
    program: Program,
    operator: Researcher,
}

/// The fields of a form, by name.
type Form = BTreeMap<String, String>;

impl Running {
    fn start() -> Self {
        Self::start_with(
            "# Of this house.\nlimits:\n  # Two are enough.\n  max_upload_mib: 2   # for now\nzip: {quiet_minutes: 5}\nlog:\n  level: info\n",
        )
    }

    /// With more lines behind the config of the tests.
    fn start_with(more: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = crate::support::config_text(&folder.path().join("uploads"));
        let config =
            config.replace("  reserve_mib: 1\n", "  reserve_mib: 1\n  extensions:\n    # Tables.\n    - csv # most of them\n    - dat\n");
        std::fs::write(folder.path().join("config.yml"), config + more).expect("a config");
        let program = Program::in_folder(folder.path()).start();
        let operator = program.researcher();
        Self { folder, program, operator }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.yml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.config()).expect("a config")
    }

    /// The form as the page shows it.
    async fn form(&self) -> Form {
        fields(&page(self.operator.get("/settings/").await, 200).await)
    }

    async fn send(&self, step: &str, form: &Form) -> Response {
        self.operator.request("POST", &format!("/settings/{step}")).form(form).send().await.expect("an answer")
    }

    /// The form with other values.
    async fn typed(&self, values: &[(&str, &str)]) -> Form {
        let mut form = self.form().await;
        form.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        form
    }

    /// What the preview of these values sends on.
    async fn previewed(&self, values: &[(&str, &str)]) -> Form {
        fields(&page(self.send("preview", &self.typed(values).await).await, 200).await)
    }

    /// Types these values, looks at the preview, saves, and returns the page behind it.
    async fn change(&self, values: &[(&str, &str)]) -> String {
        self.save(&self.previewed(values).await).await
    }

    async fn save(&self, form: &Form) -> String {
        let answer = self.send("save", form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.text().await.expect("text"));
        let there = answer.headers()["location"].to_str().expect("text").to_owned();
        page(self.operator.get(&there).await, 200).await
    }

    /// The lines that went and came since.
    fn changed_since(&self, before: &str) -> Vec<String> {
        let after = self.text();
        let diff = similar::TextDiff::from_lines(before, &after);
        let changed = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
        changed.map(|change| format!("{}{}", change.tag(), change.value().trim_end())).collect()
    }

    async fn login(&self, name: &str, password: &str) -> StatusCode {
        let url = format!("{}/device/list/", self.operator.base());
        reqwest::Client::new().get(url).basic_auth(name, Some(password)).send().await.expect("an answer").status()
    }
}

async fn page(answer: Response, status: u16) -> String {
    let found = answer.status();
    let text = answer.text().await.expect("text");
    assert_eq!(found, status, "{text}");
    assert!(!text.contains(SECRET) && !text.contains("$argon2"), "a secret is shown: {text}");
    text
}

fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&")
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split_once('"')?.0))
}

/// What a browser would send of the one form of a page.
fn fields(page: &str) -> Form {
    let mut form = Form::new();
    for piece in page.split('<') {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        let Some(name) = attribute(tag, "name").filter(|_| ["input ", "textarea "].iter().any(|kind| tag.starts_with(kind))) else {
            continue;
        };
        if tag.contains("type=\"checkbox\"") && !tag.contains(" checked") {
            continue;
        }
        let value = if tag.starts_with("textarea") {
            unescaped(text.trim_start_matches('\n'))
        } else {
            attribute(tag, "value").unwrap_or_default()
        };
        form.insert(name, value);
    }
    for select in page.split("<select ").skip(1) {
        let (inner, _) = select.split_once("</select>").expect("an end");
        let chosen = inner.split("<option").find(|option| option.starts_with(" selected")).expect("one is chosen");
        let value = chosen.split_once('>').and_then(|(_, text)| text.split_once('<')).expect("a word").0;
        form.insert(attribute(&format!(" {inner}"), "name").expect("a name"), unescaped(value));
    }
    form
}

#[tokio::test]
async fn a_changed_number_is_in_force_and_every_other_line_stays() {
    let running = Running::start();
    let watch = running.operator.let_in("w").await;
    let uuid = watch.new_dataset().await;
    let before = running.text();
    assert_eq!(watch.try_upload(&uuid, "a.csv", vec![b'1'; 3 << 20]).await.expect("an answer").status(), 413);
    let preview = page(running.send("preview", &running.typed(&[("limits.max_upload_mib", "4")]).await).await, 200).await;
    assert!(preview.contains("<del>-   max_upload_mib: 2   # for now</del>"), "{preview}");
    assert!(preview.contains("<ins>+   max_upload_mib: 4   # for now</ins>"), "{preview}");
    assert_eq!(running.text(), before, "a preview wrote the file");
    assert_eq!(watch.try_upload(&uuid, "a.csv", vec![b'1'; 3 << 20]).await.expect("an answer").status(), 413);
    let after = running.save(&fields(&preview)).await;
    assert!(after.contains("Saved") && after.contains("limits.max_upload_mib"), "{after}");
    assert_eq!(running.changed_since(&before), ["-  max_upload_mib: 2   # for now", "+  max_upload_mib: 4   # for now"]);
    assert_eq!(watch.try_upload(&uuid, "a.csv", vec![b'1'; 3 << 20]).await.expect("an answer").status(), 200);
    let said = running.program.said();
    let line = said.lines().find(|line| line.contains("changed on the settings page")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("limits.max_upload_mib") && line.contains("admin"), "{line}");
}

#[tokio::test]
async fn every_kind_of_field_can_be_changed() {
    let running = Running::start();
    let before = running.text();
    let after = running
        .change(&[
            ("log.level", "debug"),
            ("storage.extensions", "csv\r\nparquet\r\ndat\r\n"),
            ("zip.quiet_minutes", "6"),
            ("server.trusted_proxies", "10.0.0.0/8"),
            ("handshake.grant_hours", "3"),
            ("metrics.listen", ""),
        ])
        .await;
    let wanted = [
        "+  trusted_proxies: [10.0.0.0/8]",
        "+    - parquet",
        "-zip: {quiet_minutes: 5}",
        "+zip: {quiet_minutes: 6}",
        "-  level: info",
        "+  level: debug",
        "+",
        "+handshake:",
        "+  grant_hours: 3",
        "+",
        "+metrics:",
        "+  listen: ''",
    ];
    assert_eq!(running.changed_since(&before), wanted);
    // The log's new level is in force, and the metrics' address is not before the next start.
    assert!(after.contains("<code>metrics.listen</code>") && after.contains("from the next start</strong>"), "{after}");
    assert!(after.contains("In force until the next start: <bdi>127.0.0.1:9464"), "{after}");
    assert_eq!(running.operator.get("/healthz").await.status(), 200);
    until("the log has more lines", async || running.program.said().contains("/healthz")).await;
    // What stands in the file is what the next form shows.
    let form = running.form().await;
    assert_eq!((form["storage.extensions"].as_str(), form["zip.quiet_minutes"].as_str()), ("csv\nparquet\ndat", "6"));
}

/// Who knows the address may post there.
#[tokio::test]
async fn a_webhook_s_address_is_changed_and_never_shown() {
    let running = Running::start();
    for topic in ["the-first-topic", "another-topic", "the-first-topic"] {
        let form = running.typed(&[("alerts.webhook_url", &format!("https://ntfy.example.org/{topic}"))]).await;
        let preview = page(running.send("preview", &form).await, 200).await;
        let saved = running.save(&fields(&preview)).await;
        assert!(running.text().contains(topic), "{topic}");
        let form = page(running.operator.get("/settings/").await, 200).await;
        for page in [preview, saved, form] {
            assert!(page.contains("alerts.webhook_url") && !page.contains("topic\"") && !page.contains("-topic"), "{page}");
        }
    }
}

#[tokio::test]
async fn a_wrong_value_is_told_at_its_field_and_what_was_typed_is_kept() {
    let running = Running::start();
    let before = running.text();
    let wrong = running
        .typed(&[
            ("limits.stall_seconds", "for \"ever\""),
            ("server.trusted_proxies", "10.0.0.0/8\nnowhere"),
            ("zip.quiet_minutes", "7"),
            ("new.name", "guest"),
            ("new.password", NEW_PASSWORD),
        ])
        .await;
    for step in ["preview", "save"] {
        let again = page(running.send(step, &wrong).await, 422).await;
        let told = again.split("id=\"wrong-limits.stall_seconds\"").nth(1).unwrap_or_else(|| panic!("{again}"));
        assert!(told.split("</div>").next().is_some_and(|told| told.contains("write a whole number")), "{again}");
        let form = fields(&again);
        assert_eq!(form["limits.stall_seconds"], "for \"ever\"");
        assert_eq!((form["zip.quiet_minutes"].as_str(), form["was:zip.quiet_minutes"].as_str()), ("7", "5"));
        assert_eq!((form["server.trusted_proxies"].as_str(), form["new.name"].as_str()), ("10.0.0.0/8\nnowhere", "guest"));
        assert!(again.contains("A password was typed, and is kept") && !again.contains(NEW_PASSWORD), "{again}");
    }
    assert_eq!(running.text(), before);
    // What was kept goes on from there, the password too.
    let mut form = fields(&page(running.send("preview", &wrong).await, 422).await);
    form.insert("limits.stall_seconds".to_owned(), "61".to_owned());
    let again = page(running.send("preview", &form).await, 422).await;
    assert!(
        again.split("id=\"wrong-server.trusted_proxies\"").nth(1).is_some_and(|told| told.contains("ine 2: write an address")),
        "{again}"
    );
    form.insert("server.trusted_proxies".to_owned(), "10.0.0.0/8".to_owned());
    let preview = page(running.send("preview", &form).await, 200).await;
    let back = fields(&page(running.send("edit", &fields(&preview)).await, 200).await);
    assert_eq!((back["limits.stall_seconds"].as_str(), back["new.name"].as_str()), ("61", "guest"));
    running.save(&fields(&preview)).await;
    assert_eq!(running.login("guest", NEW_PASSWORD).await, 200);
}

#[tokio::test]
async fn whoever_comes_second_sees_what_the_first_one_saved_and_keeps_what_was_typed() {
    let running = Running::start();
    let (first, second) = (running.typed(&[("zip.quiet_minutes", "6")]).await, running.typed(&[("limits.stall_seconds", "61")]).await);
    let second_preview = fields(&page(running.send("preview", &second).await, 200).await);
    running.save(&fields(&page(running.send("preview", &first).await, 200).await)).await;
    let before = running.text();
    for (step, form) in [("preview", &second), ("save", &second_preview)] {
        let conflict = page(running.send(step, form).await, 409).await;
        assert!(conflict.contains("changed by somebody else"), "{conflict}");
        let form = fields(&conflict);
        assert_eq!((form["zip.quiet_minutes"].as_str(), form["limits.stall_seconds"].as_str()), ("6", "61"));
    }
    assert_eq!(running.text(), before, "a conflict wrote the file");
    // By hand, too.
    std::fs::write(running.config(), before.replace("max_upload_mib: 2", "max_upload_mib: 3")).expect("written");
    let conflict = page(running.send("save", &second_preview).await, 409).await;
    running.save(&fields(&page(running.send("preview", &fields(&conflict)).await, 200).await)).await;
    let text = running.text();
    assert!(text.contains("max_upload_mib: 3") && text.contains("stall_seconds: 61") && text.contains("quiet_minutes: 6"), "{text}");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_changes_nothing_the_second_time() {
    let running = Running::start();
    let form = running.previewed(&[("zip.quiet_minutes", "6"), ("new.name", "guest"), ("new.password", NEW_PASSWORD)]).await;
    let (one, two) = tokio::join!(running.send("save", &form), running.send("save", &form));
    assert_eq!((one.status(), two.status()), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER));
    let saved = running.text();
    assert!(running.save(&form).await.contains("Nothing changes"));
    assert_eq!(running.text(), saved);
    assert_eq!(running.program.said().matches("changed on the settings page").count(), 1);
    // Without a password in it, a form of long ago is told the same.
    let mut old = running.typed(&[("zip.quiet_minutes", "6"), ("was:zip.quiet_minutes", "5")]).await;
    old.insert("digest".to_owned(), "another".to_owned());
    assert!(page(running.send("preview", &old).await, 200).await.contains("Nothing changes"));
    assert!(page(running.send("preview", &running.form().await).await, 200).await.contains("Nothing changes"));
}

#[tokio::test]
async fn a_user_who_is_added_can_log_in_at_once_and_the_password_stands_nowhere() {
    let running = Running::start();
    let before = running.text();
    let form = running.typed(&[("new.name", "guest"), ("new.role", "researcher"), ("new.password", NEW_PASSWORD)]).await;
    let preview = page(running.send("preview", &form).await, 200).await;
    assert!(preview.contains("name: guest") && preview.contains("(hidden, new)") && !preview.contains(NEW_PASSWORD), "{preview}");
    assert_eq!(running.login("guest", NEW_PASSWORD).await, 401);
    let after = running.save(&fields(&preview)).await;
    assert!(after.contains("guest") && !after.contains(NEW_PASSWORD), "{after}");
    assert_eq!(running.login("guest", NEW_PASSWORD).await, 200);
    let added = running.changed_since(&before);
    assert!(added.len() == 3 && added[2].starts_with("+    password: ") && added[2].contains("$argon2id$"), "{added:?}");
    for place in [running.text(), running.program.said()] {
        assert!(!place.contains(NEW_PASSWORD), "{place}");
    }
    // Another password and another role end the login of before.
    running.change(&[("users.guest.password", "summer pebble copper lantern"), ("users.guest.role", "operator")]).await;
    assert_eq!(running.login("guest", NEW_PASSWORD).await, 401);
    assert_eq!(running.login("guest", "summer pebble copper lantern").await, 200);
    assert!(running.text().contains("role: operator\n    password: "), "{}", running.text());
    running.change(&[("users.guest.remove", "on")]).await;
    assert_eq!(running.login("guest", "summer pebble copper lantern").await, 401);
    assert_eq!(running.text(), before);
}

#[tokio::test]
async fn the_last_operator_stays_and_nobody_removes_himself() {
    let running = Running::start();
    let before = running.text();
    for (field, value, says) in [
        ("users.admin.remove", "on", "this is you"),
        ("users.admin.role", "researcher", "obody could change the settings"),
        ("users.researcher.password", "short", "12 characters or more"),
        ("new.password", NEW_PASSWORD, "write a name"),
    ] {
        let again = page(running.send("save", &running.typed(&[(field, value)]).await).await, 422).await;
        assert!(again.to_lowercase().contains(&says.to_lowercase()), "{field}: {again}");
    }
    assert_eq!(running.text(), before);
    running.change(&[("users.researcher.role", "operator")]).await;
    let again = page(running.send("preview", &running.typed(&[("users.admin.remove", "on")]).await).await, 422).await;
    assert!(again.contains("this is you"), "{again}");
}

#[tokio::test]
async fn a_researcher_and_another_site_change_nothing() {
    let running = Running::start();
    let (before, form) = (running.text(), running.previewed(&[("zip.quiet_minutes", "6")]).await);
    for step in ["preview", "edit", "save"] {
        let url = format!("{}/settings/{step}", running.operator.base());
        let post = || reqwest::Client::new().post(&url).form(&form);
        let researcher = post().basic_auth("researcher", Some(Researcher::PASSWORD)).send().await.expect("an answer");
        assert_eq!(researcher.status(), 403, "{step}");
        assert_eq!(post().send().await.expect("an answer").status(), 401, "{step}");
        let elsewhere = running.operator.request("POST", &format!("/settings/{step}")).header("origin", "https://elsewhere.example");
        assert_eq!(elsewhere.header("sec-fetch-site", "cross-site").form(&form).send().await.expect("an answer").status(), 403, "{step}");
    }
    assert_eq!(running.text(), before);
    running.save(&form).await;
    assert_ne!(running.text(), before, "the form itself was no good");
}

#[tokio::test]
async fn what_cannot_be_put_in_force_is_not_written() {
    let running = Running::start();
    let before = running.text();
    std::fs::write(running.folder.path().join("file"), "").expect("written");
    let there = running.folder.path().join("file/uploads");
    let form = running.previewed(&[("storage.uploads", there.to_str().expect("text")), ("zip.quiet_minutes", "6")]).await;
    let refused = page(running.send("save", &form).await, 409).await;
    assert!(refused.contains("othing was saved"), "{refused}");
    assert_eq!(fields(&refused)["zip.quiet_minutes"], "6");
    assert_eq!(running.text(), before);
}

#[tokio::test]
async fn a_file_with_mistakes_is_shown_with_them_and_one_that_is_no_yaml_is_not_edited() {
    let running = Running::start();
    let before = running.text();
    std::fs::write(running.config(), before.replace("quiet_minutes: 5", "quiet_minutes: 0")).expect("written");
    let shown = page(running.operator.get("/settings/").await, 200).await;
    assert!(shown.split("id=\"wrong-zip.quiet_minutes\"").nth(1).is_some_and(|told| told.contains("from 1 to 10080")), "{shown}");
    running.change(&[("zip.quiet_minutes", "5")]).await;
    assert_eq!(running.text(), before);
    let form = running.typed(&[("zip.quiet_minutes", "6")]).await;
    std::fs::write(running.config(), before.replace("zip: {", "zip: [")).expect("written");
    let shown = page(running.operator.get("/settings/").await, 200).await;
    assert!(shown.contains("this is not YAML") && !shown.contains("<form"), "{shown}");
    assert_eq!(running.send("save", &form).await.status(), 409);
}

#[tokio::test]
async fn a_house_without_a_file_shows_its_settings_and_changes_none() {
    let house = House::start().await;
    let shown = house.researcher().get("/settings/").await.text().await.expect("a page");
    assert!(shown.contains("without a file") && shown.contains("limits.max_upload_mib") && !shown.contains("<form"), "{shown}");
    assert_eq!(house.researcher().post("/settings/save").await, 409);
}

#[tokio::test]
async fn a_form_that_was_saved_and_is_changed_further_is_saved_again() {
    let running = Running::start();
    let form = running.typed(&[("zip.quiet_minutes", "6"), ("new.name", "guest"), ("new.password", NEW_PASSWORD)]).await;
    running.save(&fields(&page(running.send("preview", &form).await, 200).await)).await;
    // Back to the form, as the browser kept it, and another field.
    let mut further = form.clone();
    further.extend(
        [("limits.stall_seconds", "61"), ("new.name", ""), ("new.password", "")].map(|(name, text)| (name.to_owned(), text.to_owned())),
    );
    let conflict = page(running.send("preview", &further).await, 409).await;
    let preview = page(running.send("preview", &fields(&conflict)).await, 200).await;
    let saved = running.save(&fields(&preview)).await;
    assert!(saved.contains("Saved") && saved.contains("limits.stall_seconds"), "{saved}");
    assert!(running.text().contains("stall_seconds: 61"), "{}", running.text());
    // Sent once more, it is the same form.
    assert!(running.save(&fields(&preview)).await.contains("Nothing changes"));
}

#[tokio::test]
async fn what_is_saved_is_what_the_preview_showed_or_nothing() {
    let mut running = Running::start();
    let typed = [("zip.quiet_minutes", "6"), ("users.researcher.password", NEW_PASSWORD)];
    let form = running.previewed(&typed).await;
    let other = running.typed(&[("draft", &form["draft"]), ("users.researcher.password", "summer pebble copper lantern")]).await;
    page(running.send("preview", &other).await, 200).await;
    running.save(&form).await;
    assert_eq!(running.login("researcher", NEW_PASSWORD).await, 200, "a tab saved what another one typed");
    // A start of the server forgets what was typed.
    let before = running.text();
    let form = running.previewed(&[("zip.quiet_minutes", "7"), ("users.researcher.password", "summer pebble copper lantern")]).await;
    running.program.terminate();
    assert!(running.program.wait().success());
    running.program = Program::with_config(&running.config()).start();
    running.operator = running.program.researcher();
    for step in ["preview", "save"] {
        let gone = page(running.send(step, &form).await, 409).await;
        assert!(gone.contains("must be typed again at\n  <code>users.researcher.password</code>"), "{gone}");
        assert_eq!(fields(&gone)["zip.quiet_minutes"], "7");
    }
    assert_eq!(running.text(), before);
    let back = page(running.send("edit", &form).await, 200).await;
    let mut again = fields(&back);
    again.insert("users.researcher.password".to_owned(), "summer pebble copper lantern".to_owned());
    running.save(&fields(&page(running.send("preview", &again).await, 200).await)).await;
    assert_eq!(running.login("researcher", "summer pebble copper lantern").await, 200);
    assert!(running.text().contains("quiet_minutes: 7"));
}

#[tokio::test]
async fn a_test_message_leaves_what_was_typed_where_it_is() {
    let running = Running::start();
    let form =
        running.typed(&[("zip.quiet_minutes", "6"), ("new.name", "guest"), ("new.password", NEW_PASSWORD), ("channel", "webhook")]).await;
    let tried = page(running.send("alerts/test", &form).await, 200).await;
    assert!(tried.contains("Not sent.") && tried.contains("A password was typed, and is kept"), "{tried}");
    let again = fields(&tried);
    assert_eq!((again["zip.quiet_minutes"].as_str(), again["new.name"].as_str()), ("6", "guest"));
    running.save(&fields(&page(running.send("preview", &again).await, 200).await)).await;
    assert_eq!(running.login("guest", NEW_PASSWORD).await, 200);
}
