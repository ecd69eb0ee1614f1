//! Passwords: which are accepted, and how they are kept and compared. Hashing is slow and takes
//! memory on purpose, so it happens in one of two slots only.

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::password_hash;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::error::{Error, Result};
use crate::random;
use crate::threads::lock;

/// NIST SP 800-63B (revision 3), 5.1.1.2: at least 8, each code point counted as one.
const LEAST_CHARACTERS: usize = 8;

/// The longest password, in bytes, so that nobody sends a book to be hashed.
const MOST_BYTES: usize = 1_024;

/// Hashings at a time: 38 MiB, on a host that has 512.
const SLOTS: usize = 2;

/// The most callers that wait for one; the default is to have ten threads for requests.
const MOST_WAITING: usize = 6;

/// Bytes of a salt: RFC 9106 section 3.1 recommends 16 for hashing passwords.
const SALT: usize = 16;

/// The least room for a hashing, in blocks of 1 KiB; what is not used is not there. The C library
/// gives blocks of up to 32 MiB back only the first time, and would keep one for each thread that
/// has ever compared a password.
const RETURNED: usize = 33 * 1_024;

/// What one hashing costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for HashCost {
    /// Argon2id with 19 MiB, 2 passes and 1 lane: the least that OWASP's Password Storage Cheat
    /// Sheet recommends (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>).
    fn default() -> HashCost {
        HashCost { memory: 19 * 1_024, passes: 2 }
    }
}

/// Says whether a password can be chosen; `field` is its name in the request.
pub(super) fn check(field: &str, password: &str) -> Result<()> {
    if password.chars().count() < LEAST_CHARACTERS {
        return Err(Error::invalid(field, format!("has fewer than {LEAST_CHARACTERS} characters")));
    }
    if password.len() > MOST_BYTES {
        return Err(Error::invalid(field, format!("is longer than {MOST_BYTES} bytes")));
    }
    Ok(())
}

/// A password of 100 random bits that can be read aloud: `7kq2m-x4hvd-…`.
pub(super) fn random() -> Result<String> {
    // 32 signs, none of which looks like another, so that a byte picks each equally often.
    const SIGNS: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
    let bytes: [u8; 20] = random::bytes()?;
    let signs: Vec<char> = bytes.iter().map(|byte| SIGNS[usize::from(byte % 32)].into()).collect();
    let groups: Vec<String> = signs.chunks(5).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// Gives out the slots.
pub(super) struct Hasher {
    cost: HashCost,
    places: Mutex<Places>,
    freed: Condvar,
}

struct Places {
    free: usize,
    waiting: usize,
}

/// The right to hash; whoever holds it does not wait for another.
pub(super) struct Slot<'a>(&'a Hasher);

impl Hasher {
    pub(super) fn new(cost: HashCost) -> Hasher {
        let places = Mutex::new(Places { free: SLOTS, waiting: 0 });
        Hasher { cost, places, freed: Condvar::new() }
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when too many wait already: a flood of logins must not hold all the
    /// threads that answer requests.
    pub(super) fn slot(&self) -> Result<Slot<'_>> {
        let mut places = lock(&self.places);
        if places.waiting >= MOST_WAITING {
            return Err(Error::RateLimited { retry_after: 1 });
        }
        places.waiting += 1;
        let mut places = self
            .freed
            .wait_while(places, |places| places.free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        places.waiting -= 1;
        places.free -= 1;
        Ok(Slot(self))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(&self.0.places).free += 1;
        self.0.freed.notify_one();
    }
}

impl Slot<'_> {
    /// Hashes a password that passed [`check`], as a PHC string with a salt of its own.
    pub(super) fn hash(&self, password: &str) -> Result<String> {
        let HashCost { memory, passes } = self.0.cost;
        let cannot = |error: password_hash::Error| {
            Error::Internal(format!("cannot hash a password: {error}"))
        };
        let params = Params::new(memory, passes, 1, Some(Params::DEFAULT_OUTPUT_LEN))
            .map_err(|error| Error::Internal(format!("cannot use {:?}: {error}", self.0.cost)))?;
        let salt = Salt::new(&random::bytes::<SALT>()?).map_err(|error| cannot(error.into()))?;
        let hash = output(password.as_bytes(), &salt, &params).map_err(cannot)?;
        let phc = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(cannot)?,
            salt: Some(salt),
            hash: Some(hash),
        };
        Ok(phc.to_string())
    }

    /// Whether the password is the one that was hashed. Without a hash, which is when there is
    /// no such user, it takes as long and the answer is no.
    pub(super) fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let damaged = |what: &str| Error::Internal(format!("a stored password is damaged: {what}"));
        let nobody = nobodys_hash(self.0.cost);
        let parsed = PasswordHash::new(hash.unwrap_or(&nobody))
            .map_err(|error| damaged(&error.to_string()))?;
        let ours = (Algorithm::Argon2id.ident(), Some(Version::V0x13.into()));
        if (parsed.algorithm, parsed.version) != ours {
            return Err(damaged("it is not argon2id of version 19"));
        }
        let (Some(salt), Some(wanted)) = (&parsed.salt, &parsed.hash) else {
            return Err(damaged("it has no salt or no hash"));
        };
        let params = Params::try_from(&parsed).map_err(|error| damaged(&error.to_string()))?;
        // One byte too many is enough to be wrong: no more of a longer one is looked at.
        let bytes = &password.as_bytes()[..password.len().min(MOST_BYTES + 1)];
        let found = output(bytes, salt, &params)
            .map_err(|error| Error::Internal(format!("cannot compare a password: {error}")))?;
        // The comparison of outputs takes the same time wherever they differ.
        Ok(found == *wanted && hash.is_some())
    }
}

/// Hashes in memory that the system has back afterwards.
fn output(password: &[u8], salt: &[u8], params: &Params) -> password_hash::Result<Output> {
    let count = params.block_count();
    let mut blocks = Vec::with_capacity(count.max(RETURNED));
    blocks.resize(count, Block::default());
    let mut bytes = [0; Output::MAX_LENGTH];
    let bytes = bytes
        .get_mut(..params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN))
        .ok_or(password_hash::Error::OutputSize)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password, salt, bytes, &mut blocks)?;
    Ok(Output::new(bytes)?)
}

/// A hash that costs as much as a real one and belongs to no password.
fn nobodys_hash(cost: HashCost) -> String {
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    format!("$argon2id$v=19$m={},t={},p=1${salt}${hash}", cost.memory, cost.passes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const CHEAP: HashCost = HashCost { memory: 8, passes: 1 };

    #[test]
    fn when_too_many_wait_for_a_slot_the_next_is_sent_away() {
        let hasher = Hasher::new(HashCost { memory: 8, passes: 1 });
        let slots: Vec<_> = (0..SLOTS).map(|_| hasher.slot().ok().unwrap()).collect();
        std::thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..MOST_WAITING).map(|_| scope.spawn(|| hasher.slot().is_ok())).collect();
            while lock(&hasher.places).waiting < MOST_WAITING {
                std::thread::yield_now();
            }
            assert!(matches!(hasher.slot(), Err(Error::RateLimited { retry_after: 1 })));
            drop(slots);
            assert!(waiting.into_iter().all(|one| one.join().unwrap()));
        });
        assert!(hasher.slot().is_ok());
    }

    #[test]
    fn a_password_is_accepted_at_its_limits_and_refused_beyond() {
        for right in ["12345678", "ääääääää", &"x".repeat(1_024)] {
            check("password", right).unwrap();
        }
        for wrong in ["", "1234567", "äääääää", &"x".repeat(1_025), &"ä".repeat(513)] {
            assert!(check("password", wrong).is_err(), "{} bytes", wrong.len());
        }
    }

    #[test]
    fn a_hash_is_argon2id_with_the_parameters_of_owasp() {
        let hasher = Hasher::new(HashCost::default());
        let hash = hasher.slot().unwrap().hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.slot().unwrap().verify("correct horse", Some(&hash)).unwrap());
        assert!(!hasher.slot().unwrap().verify("correct house", Some(&hash)).unwrap());
    }

    #[test]
    fn a_hash_that_another_version_has_stored_is_good() {
        let hasher = Hasher::new(CHEAP);
        let stored = "$argon2id$v=19$m=19456,t=2,p=1$UfMAeFvloN0OOxKpPZdHqg\
                      $P8RUxabS+EQ313V6Z23n5ZKFJFAtbjXnTE5yy2fbZEw";
        assert!(hasher.slot().unwrap().verify("correct horse", Some(stored)).unwrap());
        assert!(!hasher.slot().unwrap().verify("correct house", Some(stored)).unwrap());
        for other in [stored.replace("argon2id", "argon2i"), stored.replace("v=19", "v=16")] {
            let found = hasher.slot().unwrap().verify("correct horse", Some(&other));
            assert!(matches!(found, Err(Error::Internal(_))), "{found:?}");
        }
    }

    /// An unknown user must cost what a known one does.
    #[test]
    fn nobodys_hash_differs_from_a_real_one_in_salt_and_output_only() {
        let hasher = Hasher::new(HashCost::default());
        let real = hasher.slot().unwrap().hash("correct horse").unwrap();
        let nobody = nobodys_hash(hasher.cost);
        let shape = |hash: &str| -> Vec<String> {
            hash.split('$')
                .enumerate()
                .map(|(i, part)| if i < 4 { part.to_owned() } else { part.len().to_string() })
                .collect()
        };
        assert_eq!(shape(&real), shape(&nobody));
        assert!(!hasher.slot().unwrap().verify("correct horse", None).unwrap());
    }

    #[test]
    fn a_password_that_is_too_long_is_wrong_and_not_cut() {
        let hasher = Hasher::new(CHEAP);
        let longest = "x".repeat(1_024);
        let hash = hasher.slot().unwrap().hash(&longest).unwrap();
        assert!(hasher.slot().unwrap().verify(&longest, Some(&hash)).unwrap());
        assert!(!hasher.slot().unwrap().verify(&"x".repeat(1_025), Some(&hash)).unwrap());
        assert!(!hasher.slot().unwrap().verify(&"x".repeat(9_999), Some(&hash)).unwrap());
    }

    #[test]
    fn a_damaged_hash_is_an_error_and_no_wrong_password() {
        let hasher = Hasher::new(CHEAP);
        assert!(matches!(
            hasher.slot().unwrap().verify("x", Some("plain")),
            Err(Error::Internal(_))
        ));
    }

    #[test]
    fn two_hash_at_a_time_and_no_more() {
        let hasher = Hasher::new(CHEAP);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Barrier::new(MOST_WAITING); // as many as may wait for sure
        std::thread::scope(|scope| {
            for _ in 0..MOST_WAITING {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..50 {
                        let _slot = hasher.slot().unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= SLOTS);
        assert_eq!(lock(&hasher.places).free, SLOTS);
    }

    #[test]
    fn random_passwords_are_acceptable_and_differ() {
        let some: HashSet<String> = (0..100).map(|_| random().unwrap()).collect();
        assert_eq!(some.len(), 100);
        for one in some {
            check("password", &one).unwrap();
            assert_eq!(one.len(), 23, "{one}");
            assert!(one.split('-').all(|group| group.len() == 5), "{one}");
        }
    }
}
