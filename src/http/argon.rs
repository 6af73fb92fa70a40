//! Argon2 in memory that goes back to the kernel. What an allocator keeps of 19 MiB a login, for each thread that ever
//! verified one, is hundreds of MiB under a flood of guesses.

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc::PasswordHash};
use subtle::ConstantTimeEq;

/// Above 32 MiB glibc maps memory for this allocation alone and gives it back when it is freed. What is not used of it is
/// never there.
const MAPPED: usize = (33 << 20) / Block::SIZE;

/// Whether a password is the one that was hashed. Blocks, for as long as the hash says.
pub(super) fn verify(hash: &str, password: &[u8]) -> bool {
    PasswordHash::new(hash).ok().and_then(|hash| matches(&hash, password)).unwrap_or(false)
}

/// `None` where the hash is none that Argon2 makes.
fn matches(hash: &PasswordHash, password: &[u8]) -> Option<bool> {
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Some(Version::default()), |version| Version::try_from(version).ok())?;
    let params = Params::try_from(hash).ok()?;
    let mut memory = Vec::with_capacity(params.block_count().max(MAPPED));
    memory.resize(params.block_count(), Block::default());
    let mut computed = vec![0; expected.as_bytes().len()];
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password, salt.as_ref(), &mut computed, &mut memory).ok()?;
    Some(computed.ct_eq(expected.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, hash_password};

    #[test]
    fn the_password_is_good_and_no_other_is() {
        let hash = hash_password(&Secret::new("correct horse battery staple"));
        assert!(verify(&hash, b"correct horse battery staple"));
        assert!(!verify(&hash, b"correct horse battery stapl"));
        // Of another implementation, with other parameters.
        let other = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$tCc9fRe1ZCo/16K285DQzyaDkBqT0FS+sUtZTyzbH18";
        assert!(verify(other, b"correct horse battery staple") && !verify(other, b"wrong"));
        assert!(["", "$argon2id$v=19$m=8", "correct"].iter().all(|hash| !verify(hash, b"correct")));
    }
}
