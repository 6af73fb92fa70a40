//! Each kind of change in a file of its own form: every other line stays.

use std::path::Path;

use super::*;
use crate::config::{SAMPLE, Side};

const PASSWORD: &str = "correct horse battery staple";

fn filled() -> String {
    SAMPLE
        .replace(" secret: \"\"", " secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=")
        .replace(" password: \"\"", &format!(" password: {PASSWORD}"))
}

fn standing(text: &str) -> Standing {
    let value: Value = serde_yaml::from_str(text).expect("yaml");
    Standing {
        path: Path::new("/srv/conf/config.yml").to_owned(),
        text: text.to_owned(),
        value: value.as_mapping().expect("settings").clone(),
    }
}

fn change(text: &str, typed: &[(&str, &str)]) -> Result<Change, Refusal> {
    let typed: Typed = typed.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    standing(text).change(&typed, "me")
}

/// The lines that go and come.
fn lines(text: &str, typed: &[(&str, &str)]) -> Vec<String> {
    let change = change(text, typed).unwrap_or_else(|refusal| panic!("{:?}", refusal.0));
    let diff = similar::TextDiff::from_lines(&change.before, &change.edited);
    let changed = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
    changed.map(|change| format!("{}{}", change.tag(), change.value().trim_end())).collect()
}

#[test]
fn each_kind_of_setting_changes_its_own_line_only() {
    let text = filled().replace("connections: 16384", "connections: 16384   # many");
    assert_eq!(lines(&text, &[("limits.connections", "17")]), ["-  connections: 16384   # many", "+  connections: 17   # many"]);
    assert_eq!(lines(&text, &[("log.level", "debug")]), ["-  level: info", "+  level: debug"]);
    assert_eq!(lines(&text, &[("metrics.listen", "")]), ["-  listen: 127.0.0.1:9464", "+  listen: ''"]);
    let proxies = "127.0.0.1/32\r\n10.0.0.0/8\r\n::1/128\r\n";
    assert_eq!(lines(&text, &[("server.trusted_proxies", proxies)]), ["+    - 10.0.0.0/8"]);
    assert_eq!(lines(&text, &[("server.trusted_proxies", "::1/128")]), ["-    - 127.0.0.1/32"]);
    let list = lines(&text, &[("storage.extensions", "csv\ndat")]);
    assert_eq!(list[1..], ["+  extensions: [csv, dat]"]);
}

#[test]
fn a_list_may_end_up_empty_and_begin_anew() {
    for before in ["trusted_proxies: []", "trusted_proxies: # none yet\n    []"] {
        let text = filled().replace("trusted_proxies:\n    - 127.0.0.1/32\n    - ::1/128", before);
        assert!(!lines(&text, &[("server.trusted_proxies", "10.0.0.0/8\n::1/128")]).is_empty(), "{before}");
    }
    let gone = change(&filled(), &[("server.trusted_proxies", "")]).map_err(|refusal| refusal.0).expect("good");
    assert!(gone.config().server.trusted_proxies.is_empty());
    let other = change(&filled(), &[("server.trusted_proxies", "10.0.0.0/8\n10.1.0.0/16")]).map_err(|refusal| refusal.0).expect("good");
    assert_eq!(other.config().server.trusted_proxies, ["10.0.0.0/8", "10.1.0.0/16"]);
}

#[test]
fn what_does_not_stand_in_the_file_is_added_under_its_section_or_at_the_end() {
    let text = filled().replace("  max_upload_mib: 4096\n", "");
    assert_eq!(lines(&text, &[("limits.max_upload_mib", "5")]), ["+  max_upload_mib: 5"]);
    let (short, _) = text.split_once("\nlog:").expect("log");
    assert_eq!(lines(short, &[("log.level", "debug"), ("log.format", "json")])[1..], ["+log:", "+  level: debug", "+  format: json"]);
    for text in [short.trim_end().to_owned(), short.replace('\n', "\r\n")] {
        assert!(change(&text, &[("log.level", "debug"), ("limits.connections", "9")]).is_ok());
    }
    let listed = lines(short, &[("log.level", "debug"), ("storage.extensions", "csv")]);
    assert!(listed.contains(&"+  extensions: [csv]".to_owned()), "{listed:?}");
}

#[test]
fn what_was_not_touched_stays_whatever_the_file_says_now() {
    let typed = [("limits.connections", "16384"), ("was:limits.connections", "16384"), ("limits.header_kib", "65")];
    let text = filled().replace("connections: 16384", "connections: 5");
    assert_eq!(lines(&text, &typed), ["-  header_kib: 64", "+  header_kib: 65"]);
}

#[test]
fn a_file_in_an_unusual_form_is_left_to_its_person() {
    let text = filled().replace("  wait_seconds: 30", "  wait_seconds: &some 30").replace("  quiet_minutes: 10", "  quiet_minutes: *some");
    let (before, rest) = text.split_once("handshake:").expect("there");
    let text = format!("{before}handshake: {{grant_hours: 48}}\n{}", &rest[rest.find("\nzip:").expect("there")..]);
    let changed = change(&text, &[("handshake.grant_hours", "47")]).map_err(|refusal| refusal.0).expect("flow style is usual enough");
    assert_eq!(changed.config().handshake.grant_hours, 47);
    match change(&text, &[("zip.wait_seconds", "31")]) {
        Ok(change) => assert_eq!((change.config().zip.wait_seconds, change.config().zip.quiet_minutes), (31, 30)),
        Err(refusal) => assert!(refusal.0["zip.wait_seconds"][0].contains("by hand"), "{:?}", refusal.0),
    }
}

#[test]
fn every_problem_stands_at_its_field() {
    let typed = [("limits.connections", "5000000000"), ("server.trusted_proxies", "::1\nnowhere")];
    let refusal = change(&filled(), &typed).map(|_| ()).expect_err("problems").0;
    assert!(refusal["limits.connections"][0].contains("from 1 to 1000000"), "{refusal:?}");
    let typed = [("limits.connections", "0"), ("server.trusted_proxies", "::1\nnowhere"), ("new.name", "a:b"), ("new.password", "x")];
    let refusal = change(&filled(), &typed).map(|_| ()).expect_err("problems").0;
    assert!(refusal["new.role"][0].contains("write one of"), "{refusal:?}");
    let typed = [typed.as_slice(), &[("new.role", "operator")]].concat();
    let refusal = change(&filled(), &typed).map(|_| ()).expect_err("problems").0;
    let mut fields: Vec<_> = refusal.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["limits.connections", "new.name", "new.password", "server.trusted_proxies"]);
    assert!(refusal["server.trusted_proxies"][0].starts_with("line 2: "), "{refusal:?}");
}

#[test]
fn users_come_change_and_go_and_their_neighbours_stay() {
    let text = filled().replace(
        "\nalerts:",
        "  # of the other house\n  - name: other\n    role: researcher # for now\n    password: tuesday umbrella quartz lantern\n\nalerts:",
    );
    let new = [("new.name", "third"), ("new.role", "researcher"), ("new.password", "winter gravel marble anchor")];
    assert_eq!(lines(&text, &new), ["+  - name: third", "+    role: researcher", "+    password: winter gravel marble anchor"]);
    assert_eq!(
        lines(&text, &[("users.other.role", "operator"), ("was:users.other.role", "researcher")]),
        ["-    role: researcher # for now", "+    role: operator # for now"]
    );
    let gone = lines(&text, &[("users.other.remove", "on")]);
    assert!(gone.iter().all(|line| line.starts_with('-')) && gone.contains(&"-  - name: other".to_owned()), "{gone:?}");
    let both = [&new[..], &[("users.other.remove", "on")]].concat();
    let both = change(&text, &both).map_err(|refusal| refusal.0).expect("good");
    assert_eq!(both.config().users.iter().map(|user| &*user.name).collect::<Vec<_>>(), ["admin", "third"]);
    for typed in [("users.admin.remove", "on"), ("users.admin.role", "researcher")] {
        let refusal = change(&text, &[typed]).map(|_| ()).expect_err("nobody would be left").0;
        assert!(refusal["users"][0].contains("nobody could change"), "{refusal:?}");
    }
    let typed = [("users.other.remove".to_owned(), "on".to_owned())].into();
    let refusal = standing(&text).change(&typed, "other").map(|_| ()).expect_err("oneself").0;
    assert!(refusal["users.other"][0].contains("this is you"), "{refusal:?}");
}

#[test]
fn a_preview_shows_what_changes_and_nothing_secret() {
    let text = filled().replace("  previous_secrets: []", "  previous_secrets: [\"wZ8y1nQ0u7vX3cT5rB9mK2pL6sD4fG8hJ0aE1iO3qY5=\"]");
    let text = text.replace("  small_mib: 64", "  small_mib: 64\n  # was: oUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=");
    let typed = [("zip.quiet_minutes", "11"), ("users.admin.password", "winter gravel marble anchor"), ("log.level", "warn")];
    let change = change(&text, &typed).map_err(|refusal| refusal.0).expect("good");
    let diff = change.diff().expect("to be shown");
    let shown: Vec<_> = diff.iter().map(|line| line.text.trim()).collect();
    assert!(shown.contains(&"quiet_minutes: 11") && shown.contains(&"level: warn"), "{shown:?}");
    let after: Vec<_> = diff.iter().filter(|line| line.side == Side::After).map(|line| line.text.trim()).collect();
    assert!(after.iter().any(|line| line.contains("password: (hidden, new)") || line.contains("password: '(hidden, new)'")), "{after:?}");
    for secret in ["oUUI6o", "kUUI6o", "wZ8y1n", "correct horse", "winter"] {
        assert!(shown.iter().all(|line| !line.contains(secret)), "{secret}: {shown:?}");
    }
}
