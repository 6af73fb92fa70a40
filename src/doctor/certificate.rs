//! Would a watch take these certificates? If not, which of the usual mistakes is it?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tokio_rustls::rustls::{
    CertificateError, Error, RootCertStore,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::ring,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{
    finding::{Check, Finding},
    tls,
};
use crate::outside::Server;

/// Certificates are renewed when a third of their time is left, 30 days of the usual 90. One that has less than a quarter
/// left was not.
const TO_ACT: i64 = 4;
const DAY: i64 = 24 * 60 * 60;

/// Whom to believe.
pub(super) struct Authorities {
    /// Whom watches believe.
    pub(super) watches: RootCertStore,
    /// Whom the operator believes besides.
    pub(super) operator: Vec<CertificateDer<'static>>,
}

/// Holds the certificates that a server shows, its own first, against what a watch asks of them.
pub(super) fn judge(shown: &[CertificateDer<'_>], server: &Server, believed: Authorities, now: SystemTime) -> Vec<Finding> {
    let parsed: Result<Vec<_>, _> = shown.iter().map(|der| X509Certificate::from_der(der).map(|(_, parsed)| parsed)).collect();
    match (parsed.as_deref(), shown.first().map(ParsedCertificate::try_from)) {
        (Ok(parsed @ [own, ..]), Some(Ok(leaf))) => {
            let now = seconds(now);
            vec![chain(&leaf, shown, parsed, believed, now), name(&leaf, own, server), validity(own, now)]
        }
        _ => vec![Check::Chain.fail("the certificate cannot be read: have one made anew, by a public authority")],
    }
}

fn chain(
    leaf: &ParsedCertificate<'_>,
    shown: &[CertificateDer<'_>],
    parsed: &[X509Certificate<'_>],
    believed: Authorities,
    now: i64,
) -> Finding {
    // At a time when the server's own is valid: that it is not now is told elsewhere.
    let validity = parsed[0].validity();
    let at = now.clamp(validity.not_before.timestamp(), validity.not_after.timestamp());
    let Authorities { watches: mut roots, operator } = believed;
    let Err(error) = verify(leaf, &roots, shown, at) else {
        return Check::Chain.ok(format!("complete, from an authority that watches trust ({})", parsed[0].issuer()));
    };
    roots.add_parsable_certificates(operator);
    match verify(leaf, &roots, shown, at) {
        Ok(()) => Check::Chain.warn("complete, but only --trust-ca knows its authority: the app in the field trusts no private one"),
        Err(_) => Check::Chain.fail(mistake(parsed, &error)),
    }
}

fn verify(leaf: &ParsedCertificate<'_>, roots: &RootCertStore, shown: &[CertificateDer<'_>], at: i64) -> Result<(), Error> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.unsigned_abs()));
    let algorithms = ring::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(leaf, roots, &shown[1..], at, algorithms.all)
}

/// What somebody did who set up a chain that nobody trusts.
fn mistake(shown: &[X509Certificate<'_>], error: &Error) -> String {
    let own = &shown[0];
    let last = shown.iter().fold(own, |last, _| issuer_of(last, shown).unwrap_or(last));
    let authority = last.issuer();
    if own.issuer() == own.subject() {
        return "self-signed, and watches trust no such certificate: have one made by a public authority".to_owned();
    }
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) if last.issuer() == last.subject() => {
            format!("from a private authority ({authority}), and watches trust none: have one made by a public authority")
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) if last == own => format!(
            "the intermediate certificate ({authority}) is not sent: give the proxy the full chain (ssl_certificate fullchain.pem, not cert.pem)"
        ),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "it ends with {authority}, which watches do not know: send the full chain, or if that is a private authority, use a public one"
        ),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "an intermediate certificate has expired: renew the certificate, send the full chain that comes with it".to_owned()
        }
        error => format!("watches do not take it ({error}): have one made anew by a public authority"),
    }
}

fn issuer_of<'a>(certificate: &X509Certificate<'_>, shown: &'a [X509Certificate<'a>]) -> Option<&'a X509Certificate<'a>> {
    shown.iter().find(|other| other.subject() == certificate.issuer())
}

fn name(leaf: &ParsedCertificate<'_>, own: &X509Certificate<'_>, server: &Server) -> Finding {
    let asked = &server.name;
    match tls::name(server).map(|name| verify_server_name(leaf, &name)) {
        Ok(Ok(())) => Check::Name.ok(format!("made for {asked}")),
        _ => Check::Name.fail(format!("made for {}, not for {asked}: have one made for this name, or correct the watches", names(own))),
    }
}

fn names(own: &X509Certificate<'_>) -> String {
    let names = own.subject_alternative_name().ok().flatten().map_or(&[][..], |extension| &extension.value.general_names);
    let dns = names.iter().filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None });
    let dns: Vec<_> = dns.take(3).collect();
    if dns.is_empty() { "no name".to_owned() } else { dns.join(", ") }
}

fn validity(own: &X509Certificate<'_>, now: i64) -> Finding {
    let (start, end) = (own.validity().not_before.timestamp(), own.validity().not_after.timestamp());
    let left = (end - now) / DAY;
    if now < start {
        Check::Validity.fail(format!("valid from {} on, which is not yet: compare the clocks, or wait", day(start)))
    } else if now > end {
        Check::Validity.fail(format!("expired on {}: renew it, reload the proxy, and see why nobody did", day(end)))
    } else if (end - now).saturating_mul(TO_ACT) < end - start {
        Check::Validity
            .warn(format!("until {}, {left} days left: see why it is not renewed, and that the proxy is reloaded then", day(end)))
    } else {
        Check::Validity.ok(format!("until {}, {left} days left", day(end)))
    }
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

fn day(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;
    use crate::{doctor::Verdict, outside::known_to_watches};

    fn parameters(name: &str, days: [i64; 2]) -> CertificateParams {
        let mut parameters = CertificateParams::new([name.to_owned()]).expect("a name");
        parameters.distinguished_name.push(DnType::CommonName, name);
        let [start, end] = days.map(|days| UNIX_EPOCH + Duration::from_secs((days * DAY).unsigned_abs()));
        (parameters.not_before, parameters.not_after) = (start.into(), end.into());
        parameters
    }

    /// What is said on day 1000 of a chain whose intermediate and own certificate are valid on these days.
    fn findings(intermediate: [i64; 2], own: [i64; 2]) -> Vec<(Verdict, String)> {
        let mut params = [parameters("root", [1, 2000]), parameters("intermediate", intermediate)];
        for params in &mut params {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let [root, middle] = params;
        let keys = [(); 3].map(|()| KeyPair::generate().expect("a key"));
        let root_certificate = root.self_signed(&keys[0]).expect("a certificate");
        let middle_certificate = middle.signed_by(&keys[1], &Issuer::new(root, &keys[0])).expect("a certificate");
        let own = parameters("name", own).signed_by(&keys[2], &Issuer::new(middle, &keys[1])).expect("a certificate");
        let mut watches = RootCertStore::empty();
        watches.add(root_certificate.der().clone()).expect("a root");
        let shown = [own.der().clone(), middle_certificate.der().clone()];
        let now = UNIX_EPOCH + Duration::from_secs((1000 * DAY).unsigned_abs());
        let server = "https://name".parse().expect("a server");
        let findings = judge(&shown, &server, Authorities { watches, operator: Vec::new() }, now);
        findings.into_iter().map(|finding| (finding.verdict, finding.says)).collect()
    }

    #[test]
    fn what_watches_know_is_good() {
        let findings = findings([1, 2000], [990, 1080]);
        assert!(findings.iter().all(|(verdict, _)| *verdict == Verdict::Ok), "{findings:?}");
        assert_eq!(findings[2].1, "until 1972-12-16, 80 days left");
    }

    #[test]
    fn a_certificate_that_nobody_renewed_is_a_warning_however_long_it_lasts() {
        for (own, expected) in [
            ([930, 1020], Verdict::Warn),
            ([935, 1025], Verdict::Ok),
            // Of 45 days and of 6.
            ([969, 1014], Verdict::Ok),
            ([965, 1010], Verdict::Warn),
            ([996, 1002], Verdict::Ok),
        ] {
            assert_eq!(findings([1, 2000], own)[2].0, expected, "{own:?}");
        }
    }

    #[test]
    fn an_expired_certificate_does_not_break_the_chain_and_an_expired_intermediate_does() {
        let verdicts = |findings: Vec<(Verdict, String)>| findings.into_iter().map(|(verdict, _)| verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(findings([1, 2000], [900, 990])), [Verdict::Ok, Verdict::Ok, Verdict::Fail]);
        let expired = findings([1, 995], [990, 1080]);
        assert!(expired[0].1.contains("an intermediate certificate has expired"), "{expired:?}");
        assert_eq!(verdicts(expired), [Verdict::Fail, Verdict::Ok, Verdict::Ok]);
    }

    #[test]
    fn the_public_authorities_are_among_those_of_watches() {
        assert!(known_to_watches().len() > 50);
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        let server = "https://name".parse().expect("a server");
        let findings =
            judge(&[vec![1].into()], &server, Authorities { watches: known_to_watches(), operator: Vec::new() }, SystemTime::now());
        assert!(findings[0].says.contains("cannot be read"), "{findings:?}");
    }
}
