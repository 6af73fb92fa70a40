//! Certificates of an authority of our own, good and bad.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// What a proxy is given: the chain that it sends, its key, and the authority's own certificate.
pub struct Made {
    chain: String,
    key: String,
    root: String,
}

/// A time so many days from now and a half, so that no count of whole days hangs on a second.
pub fn days(days: i64) -> SystemTime {
    let apart = Duration::from_secs((days.unsigned_abs() * 24 + 12) * 60 * 60);
    if days < 0 { SystemTime::now() - apart } else { SystemTime::now() + apart }
}

impl Made {
    /// Complete, for 127.0.0.1, with 80 days left.
    pub fn good() -> Self {
        Self::changed(|_| {}, |own, intermediate, _| own + intermediate)
    }

    /// Good but for what `change` makes of the server's own certificate.
    pub fn own(change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::changed(change, |own, intermediate, _| own + intermediate)
    }

    /// Good, but sent as `send` puts it together from own, intermediate and root.
    pub fn sent(send: impl FnOnce(String, &str, &str) -> String) -> Self {
        Self::changed(|_| {}, send)
    }

    /// As `openssl req -x509` makes it.
    pub fn self_signed() -> Self {
        let (mut own, key) = (parameters("127.0.0.1"), KeyPair::generate().expect("a key"));
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = own.self_signed(&key).expect("a certificate").pem();
        Self { root: own.clone(), chain: own, key: key.serialize_pem() }
    }

    fn changed(change: impl FnOnce(&mut CertificateParams), send: impl FnOnce(String, &str, &str) -> String) -> Self {
        let (root_params, root_key) = (authority("Root of the tests"), KeyPair::generate().expect("a key"));
        let root = root_params.self_signed(&root_key).expect("a certificate");
        let root_issuer = Issuer::new(root_params, root_key);
        let (middle_params, middle_key) = (authority("Intermediate of the tests"), KeyPair::generate().expect("a key"));
        let middle: Certificate = middle_params.signed_by(&middle_key, &root_issuer).expect("a certificate");
        let (mut own, key) = (parameters("127.0.0.1"), KeyPair::generate().expect("a key"));
        change(&mut own);
        let own = own.signed_by(&key, &Issuer::new(middle_params, middle_key)).expect("a certificate");
        Self { chain: send(own.pem(), &middle.pem(), &root.pem()), key: key.serialize_pem(), root: root.pem() }
    }

    /// Writes what nginx and the program read: `chain.pem`, `key.pem`, `root.pem`. Returns the last.
    pub fn write(&self, folder: &Path) -> PathBuf {
        for (name, text) in [("chain.pem", &self.chain), ("key.pem", &self.key), ("root.pem", &self.root)] {
            fs::write(folder.join(name), text).expect("written");
        }
        folder.join("root.pem")
    }
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new([name.to_owned()]).expect("a name");
    parameters.distinguished_name.push(DnType::CommonName, name);
    (parameters.not_before, parameters.not_after) = (days(-10).into(), days(80).into());
    parameters
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new([]).expect("no name");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (parameters.not_before, parameters.not_after) = (days(-400).into(), days(800).into());
    parameters
}
