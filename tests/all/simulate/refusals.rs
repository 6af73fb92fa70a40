//! What a fleet does not even begin.

use super::run::Said;
use crate::support::House;

#[tokio::test]
async fn a_server_that_is_not_on_this_machine_is_left_alone_unless_somebody_says_that_it_is_theirs() {
    // An address of the documentation's: nobody answers there.
    let said = Said::by("http://192.0.2.1:8080", &["--no-verify"]).await;
    assert!(said.code == 1 && said.errors.contains("is not this machine") && said.errors.contains("--yes-this-is-my-server"), "{said:?}");
    let said = Said::by("http://0.0.0.0:1", &["--no-verify", "--yes-this-is-my-server", "--retry-after", "0"]).await;
    assert!(said.code == 1 && said.errors.contains("no connection"), "{said:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_before_anything_is_asked() {
    let house = House::start().await;
    let said = Said::by(&house.url(""), &["--grant-with", "admin:wrong"]).await;
    assert!(said.code == 1 && said.errors.contains("does not know this user with this password"), "{said:?}");
    let requests = house.researcher().json("/api/v1/requests").await;
    assert_eq!(requests.as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn reading_back_needs_somebody_who_may() {
    let house = House::start().await;
    let said = Said::by(&house.url(""), &[]).await;
    assert!(said.code == 1 && said.errors.contains("--grant-with") && said.errors.contains("--no-verify"), "{said:?}");
}
