//! nginx with TLS: which versions it speaks, that everybody is sent there, and that the house behind it notices nothing.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{House, Nginx, Researcher, Setup};

/// The values of a header in an answer with its head.
fn header<'a>(answer: &'a str, name: &str) -> Vec<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

#[tokio::test]
async fn old_tls_is_refused_and_http_2_is_agreed_upon() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let said = async |arguments: &[&str]| nginx.tls().handshake(nginx.address, arguments).await;
    // A client that would take anything: it is the server that refuses.
    let careless = ["-cipher", "ALL:@SECLEVEL=0"];
    for old in ["-tls1", "-tls1_1"] {
        let said = said(&[careless.as_slice(), &[old]].concat()).await;
        assert!(said.contains("alert protocol version"), "{old}: {said}");
    }
    for (new, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = said(&[new, "-alpn", "h2,http/1.1"]).await;
        assert!(said.contains(&format!("New, {name}, Cipher is")) && said.contains("Verify return code: 0"), "{said}");
        assert!(said.contains("ALPN protocol: h2"), "{said}");
    }
    // Not without authenticated encryption.
    for weak in ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"] {
        let said = said(&["-tls1_2", "-cipher", &format!("{weak}:@SECLEVEL=0")]).await;
        assert!(said.contains("alert handshake failure"), "{weak}: {said}");
    }
    let resumed = said(&["-tls1_2", "-reconnect"]).await;
    assert!(resumed.contains("Reused, TLSv1.2") && !resumed.contains("TLS session ticket:"), "{resumed}");
}

#[test]
fn a_certificate_for_a_trial_is_for_a_name_and_takes_no_others_place() {
    let folder = TempDir::new().expect("a folder");
    let certs = folder.path().join("etc/certs");
    let make = |name: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/dev-cert");
        Command::new(script).arg(name).arg(&certs).stderr(Stdio::null()).status().expect("a script").success()
    };
    assert!(make("wearhouse.example.org"));
    let certificate = fs::read(certs.join("fullchain.pem")).expect("a certificate");
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-checkhost", "wearhouse.example.org", "-in"]).arg(certs.join("fullchain.pem"));
    let said = String::from_utf8_lossy(&openssl.output().expect("openssl").stdout).into_owned();
    assert!(said.contains("does match"), "{said}");
    assert_eq!(fs::metadata(certs.join("privkey.pem")).expect("a key").mode() & 0o777, 0o600);
    assert!(!make("other.example.org"));
    assert_eq!(fs::read(certs.join("fullchain.pem")).expect("a certificate"), certificate);
}

#[tokio::test]
async fn every_answer_over_tls_asks_for_tls_and_none_without() {
    let mut house = House::start().await;
    let lines = [("rate=20r/s", "rate=1r/m"), ("burst=600 nodelay", "")];
    let nginx = Nginx::start_tls_with(&house, Setup { lines: &lines, ..Setup::default() }).await;
    let plain = Nginx::start_with(&house, Setup { lines: &lines, ..Setup::default() }).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    let login = format!("admin:{}", Researcher::PASSWORD);
    let zip = format!("/uploads/zips/{uuid}.zip");
    let file = format!("/uploads/recordings/{uuid}/");
    let paths = [
        "/",
        "/nowhere",
        "/static/style.css",
        &zip,
        &format!("{file}a.csv"),
        &format!("{file}missing.csv"),
        "/uploads/.house/x",
        "/auth",
        "/tokenauth/request/?identifier=w",
    ];
    let check = async |expected: [u16; 9]| {
        for (path, status) in paths.iter().zip(expected) {
            let answer = nginx.tls().curl(&["-u", &login, &format!("{}{path}", nginx.base())]).await;
            assert!(answer.starts_with(&format!("HTTP/2 {status}")), "{path}: {answer}");
            assert_eq!(header(&answer, "strict-transport-security"), ["max-age=31536000"], "{path}: {answer}");
            assert_eq!(header(&answer, "server"), ["nginx"], "{path}");
            let answer = plain.researcher().get(path).await;
            assert_eq!((answer.status().as_u16(), answer.headers().get("strict-transport-security")), (status, None), "{path}");
        }
    };
    check([200, 404, 200, 200, 200, 404, 403, 404, 200]).await;
    house.stop().await;
    // The second question of a minute is one too many.
    check([503, 503, 503, 503, 503, 503, 403, 404, 429]).await;
}

#[tokio::test]
async fn http_is_sent_to_https_with_its_method_and_its_body() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let base = nginx.tls().http_base();
    let large = "1".repeat(3 << 20);
    let file = house.folder.path().join("large");
    fs::write(&file, &large).expect("written");
    let body = format!("@{}", file.display());
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
        let mut arguments = vec!["--max-redirs", "0"];
        arguments.extend(match method {
            "HEAD" => vec!["-I"],
            "POST" | "PUT" => vec!["-X", method, "--data-binary", &body],
            _ => vec!["-X", method],
        });
        for path in ["/recording/new/?uuid=x%2Fy", "/", "//x/../y", "/.well-known/acme-challenge", "/.well-known/x", "/.git/config"] {
            let address = format!("{base}{path}");
            let answer = nginx.tls().curl(&[arguments.as_slice(), &["--path-as-is", &address]].concat()).await;
            assert!(answer.starts_with("HTTP/1.1 308 "), "{method} {path}: {answer}");
            assert_eq!(header(&answer, "location"), [format!("{}{path}", nginx.base())], "{method}");
        }
    }
    // curl does what a 308 says: method and body arrive, at the door that asks for a token.
    let address = format!("{base}/recording/new/?uuid=67e55044-10b1-426f-9247-bb680e5fe0c8");
    let answer = nginx.tls().curl(&["-L", "--data-binary", &body, &address]).await;
    assert!(answer.contains("HTTP/2 401"), "{answer}");
    // HTTP at the door of TLS is no redirect either.
    let answer = nginx.tls().curl(&[&nginx.base().replace("https", "http")]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn certbots_answers_are_served_over_http_and_nothing_beside_them() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let folder = nginx.challenges().join(".well-known/acme-challenge");
    fs::create_dir_all(folder.join("folder")).expect("a folder");
    fs::write(folder.join("token_-1"), "proof").expect("written");
    fs::write(nginx.challenges().join("secret"), "secret").expect("written");
    symlink(nginx.challenges().join("secret"), folder.join("link")).expect("a link");
    let base = format!("{}/.well-known/acme-challenge", nginx.tls().http_base());
    for (path, status) in [("/token_-1", 200), ("/other", 404), ("/folder", 404), ("/folder/", 404), ("/", 404), ("/link", 404)] {
        let answer = nginx.tls().curl(&[&format!("{base}{path}")]).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert_eq!(answer.ends_with("proof"), status == 200, "{path}: {answer}");
        assert!(header(&answer, "location").is_empty() && !answer.contains("secret"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_page_behind_tls_takes_what_comes_from_its_own_site_only() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    house.researcher().poll("w").await;
    let id = house.researcher().request_of("w").await["id"].as_str().expect("an id").to_owned();
    let login = format!("admin:{}", Researcher::PASSWORD);
    let address = format!("{}/tokenauth/check/{id}/grant", nginx.base());
    for version in ["--http2", "--http1.1"] {
        for evil in ["https://evil.example", "https://127.0.0.1:1", "null"] {
            let answer = nginx.tls().curl(&[version, "-u", &login, "-X", "POST", "-H", &format!("Origin: {evil}"), &address]).await;
            assert!(answer.split(' ').nth(1) == Some("403"), "{version} {evil}: {answer}");
        }
    }
    assert_eq!(house.researcher().poll("w").await["status"], "pending");
    let own = format!("Origin: {}", nginx.base());
    let answer = nginx.tls().curl(&["-u", &login, "-X", "POST", "-H", &own, &address]).await;
    assert!(answer.starts_with("HTTP/2 303"), "{answer}");
    assert_eq!(house.researcher().poll("w").await["status"], "grant");
}
