//! The token: a signature over the device, so that the catalog holds none that could be stolen from it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::{config::SecurityConfig, ids::DeviceId};

const VERSION: u8 = 1;
const LABEL: &[u8] = b"wearhouse device token";
/// version ‖ device ‖ generation
const CLAIM_BYTES: usize = 1 + 16 + 4;
/// HMAC-SHA256 (RFC 2104)
const SIGNATURE_BYTES: usize = 32;

/// What a good token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub device: DeviceId,
    /// Which of the device's tokens it is, counted from 1.
    pub generation: u32,
}

/// Makes and verifies tokens: `base64url(version ‖ device ‖ generation ‖ HMAC-SHA256(secret, label ‖ the same))`.
#[derive(Clone)]
pub struct Signer {
    secrets: Vec<Vec<u8>>,
}

impl Signer {
    /// A signer that signs with the secret, and verifies with it and the previous ones.
    #[must_use]
    pub fn new(config: &SecurityConfig) -> Self {
        let secrets = std::iter::once(&config.secret).chain(&config.previous_secrets);
        Self { secrets: secrets.map(|secret| secret.expose().as_bytes().to_vec()).collect() }
    }

    /// What tells the secrets apart without giving them away: the current one first.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        self.secrets.iter().map(|secret| fingerprint(secret)).collect()
    }

    /// The fingerprint of the secret that signs.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.secrets.first().map(|secret| fingerprint(secret)).unwrap_or_default()
    }

    /// The token of a claim: 71 characters that go into a header as they are.
    #[must_use]
    pub fn sign(&self, claim: Claim) -> String {
        let mut token = claim_bytes(claim);
        let signature = self.secrets.first().map(|secret| signature(secret, &token)).unwrap_or_default();
        token.extend_from_slice(&signature);
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// What a token says, if one of the secrets signed it. Takes the same time whichever it was, and however wrong it is.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Claim> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == CLAIM_BYTES + SIGNATURE_BYTES)?;
        let (claim, signed) = bytes.split_at(CLAIM_BYTES);
        let good = self.secrets.iter().fold(Choice::from(0), |good, secret| good | signature(secret, claim).as_slice().ct_eq(signed));
        let device = DeviceId::from_bytes(claim[1..17].try_into().ok()?);
        let generation = u32::from_be_bytes(claim[17..].try_into().ok()?);
        (bool::from(good) && claim[0] == VERSION).then_some(Claim { device, generation })
    }
}

fn claim_bytes(claim: Claim) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CLAIM_BYTES + SIGNATURE_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(claim.device.as_bytes());
    bytes.extend_from_slice(&claim.generation.to_be_bytes());
    bytes
}

fn signature(secret: &[u8], claim: &[u8]) -> [u8; SIGNATURE_BYTES] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(LABEL);
    mac.update(claim);
    mac.finalize().into_bytes().into()
}

fn fingerprint(secret: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&signature(secret, b"fingerprint")[..9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Secret, ids::Identifier};

    fn signer(secret: &str, previous: &[&str]) -> Signer {
        let previous_secrets = previous.iter().map(|secret| Secret::new(*secret)).collect();
        Signer::new(&SecurityConfig { secret: Secret::new(secret), previous_secrets })
    }

    fn claim() -> Claim {
        let device = "watch[9774d56d682e549c]".parse::<Identifier>().expect("an identifier").device();
        Claim { device, generation: 7 }
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let token = signer("one", &[]).sign(claim());
        assert_eq!(signer("one", &[]).verify(&token), Some(claim()));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
    }

    #[test]
    fn a_previous_secret_still_verifies_and_a_foreign_one_does_not() {
        let token = signer("one", &[]).sign(claim());
        assert_eq!(signer("two", &["zero", "one"]).verify(&token), Some(claim()));
        assert_eq!(signer("two", &["zero"]).verify(&token), None);
    }

    #[test]
    fn a_token_of_another_version_is_not_read_as_one_of_ours() {
        let signer = signer("one", &[]);
        let mut token = claim_bytes(claim());
        token[0] = VERSION + 1;
        let seal = signature(&signer.secrets[0], &token);
        token.extend_from_slice(&seal);
        assert_eq!(signer.verify(&BASE64_URL_SAFE_NO_PAD.encode(token)), None);
    }

    #[test]
    fn a_signature_that_the_secret_made_for_something_else_is_no_token() {
        let signer = signer("one", &[]);
        let mut token = claim_bytes(claim());
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(b"one").expect("HMAC takes a key of any length");
        mac.update(&token);
        token.extend_from_slice(&mac.finalize().into_bytes());
        assert_eq!(signer.verify(&BASE64_URL_SAFE_NO_PAD.encode(token)), None);
    }

    #[test]
    fn a_changed_token_is_worth_nothing() {
        let signer = signer("one", &[]);
        let token = signer.sign(claim());
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ascii");
            assert_eq!(signer.verify(&changed), None, "{index}");
        }
        for short in ["", "AAAA", &token[..70], &format!("{token}A")] {
            assert_eq!(signer.verify(short), None);
        }
    }
}
