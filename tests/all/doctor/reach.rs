//! Servers that nobody reaches.

use tokio::net::TcpListener;

use super::run::Said;
use crate::support::{House, free_address};

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_from_a_closed_port() {
    let said = Said::by(&["https://nowhere.invalid"]).await;
    said.fails_only("address", &["nowhere.invalid leads nowhere", "DNS"]);
    assert_eq!((said.all("not_asked").len(), said.of("hsts")), (15, "mend address first, then ask again"));
    let nobody = free_address();
    Said::by(&[&format!("https://{nobody}")]).await.fails_only("address", &[&nobody.to_string(), "refused", "start the server"]);
}

#[tokio::test]
async fn a_server_that_never_answers_costs_no_more_than_a_watchs_patience() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    Said::by(&[&format!("http://{address}")]).await.fails_only("handshake", &["no answer within 10 s"]);
    Said::by(&[&format!("https://{address}")]).await.fails_only("tls", &["no answer"]);
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let house = House::start().await;
    Said::by(&[&format!("https://{}", house.address)]).await.fails_only("tls", &["no TLS", "listen … ssl"]);
}

#[tokio::test]
async fn plain_http_is_fine_on_one_machine() {
    let house = House::start().await;
    let said = Said::by(&[&house.url("")]).await;
    said.is_fine("tls", &["does not leave this machine"]);
    assert_eq!(said.all("not_asked"), ["chain", "name", "validity", "plain http", "hsts"]);
}
