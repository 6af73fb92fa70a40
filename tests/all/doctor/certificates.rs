//! Certificates that a watch does not take.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{CertificateParams, SanType};

use super::{
    front::Front,
    made::{Made, days},
};

async fn of(made: Made) -> Front {
    Front::showing(made).await
}

#[tokio::test]
async fn a_private_authority_is_not_trusted_by_watches_even_if_the_operator_believes_it() {
    let front = of(Made::sent(|own, intermediate, root| own + intermediate + root)).await;
    front.examined().await.warns("chain", &["--trust-ca", "trusts no private one"]);
    front.examined_by_a_stranger().await.fails_only("chain", &["private authority (CN=Root of the tests)", "public authority"]);
}

#[tokio::test]
async fn a_chain_that_ends_with_an_unknown_authority_names_it() {
    let said = of(Made::good()).await.examined_by_a_stranger().await;
    said.fails_only("chain", &["ends with CN=Root of the tests", "full chain"]);
}

#[tokio::test]
async fn a_missing_intermediate_is_told_from_an_unknown_authority() {
    let said = of(Made::sent(|own, _, _| own)).await.examined().await;
    said.fails_only("chain", &["CN=Intermediate of the tests", "is not sent", "fullchain.pem"]);
}

#[tokio::test]
async fn an_authority_in_place_of_the_intermediate_does_not_complete_a_chain() {
    let said = of(Made::sent(|own, _, root| own + root)).await.examined().await;
    said.fails_only("chain", &["CN=Intermediate of the tests", "is not sent"]);
}

#[tokio::test]
async fn a_self_signed_certificate_is_called_so() {
    of(Made::self_signed()).await.examined_by_a_stranger().await.fails_only("chain", &["self-signed", "public authority"]);
}

#[tokio::test]
async fn an_expired_certificate_is_renewed() {
    let made = Made::own(|own| own.not_after = days(-2).into());
    of(made).await.examined().await.fails_only("validity", &["expired on 20", "renew"]);
}

#[tokio::test]
async fn a_certificate_of_tomorrow_waits() {
    let made = Made::own(|own| own.not_before = days(2).into());
    of(made).await.examined().await.fails_only("validity", &["not yet", "clocks"]);
}

#[tokio::test]
async fn a_certificate_that_nobody_renewed_is_a_warning() {
    // Of 90 days and of 93.
    let made = |left| Made::own(|own| (own.not_before, own.not_after) = (days(-69).into(), days(left).into()));
    of(made(20)).await.examined().await.warns("validity", &["20 days left"]);
    of(made(23)).await.examined().await.is_fine("validity", &["23 days left"]);
}

#[tokio::test]
async fn a_certificate_for_another_name_names_both() {
    let elsewhere = |own: &mut CertificateParams| {
        let name = "wearhouse.example.org".try_into().expect("a name");
        own.subject_alt_names = vec![SanType::DnsName(name), SanType::IpAddress(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)))];
    };
    of(Made::own(elsewhere)).await.examined().await.fails_only("name", &["made for wearhouse.example.org", "not for 127.0.0.1"]);
}

#[tokio::test]
async fn tls_that_old_watches_do_not_know_is_told() {
    let front = Front::broken("ssl_protocols TLSv1.2 TLSv1.3;", "ssl_protocols TLSv1.3;").await;
    front.examined().await.fails_only("tls", &["TLS 1.3 only", "ssl_protocols TLSv1.2 TLSv1.3"]);
    let front = Front::broken("ssl_protocols TLSv1.2 TLSv1.3;", "ssl_protocols TLSv1.2;").await;
    front.examined().await.is_fine("tls", &["TLS 1.2"]);
}
