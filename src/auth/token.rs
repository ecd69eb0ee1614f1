//! Tokens: JSON Web Tokens signed with HS256 and nothing else. What stands in one is only a
//! claim of who is calling; whether it still holds is asked of the database each time.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::random;

/// Longer than any token of ours, which has less than 500 bytes.
const MOST_BYTES: usize = 4_096;

/// What a token says. Times are in whole seconds, as RFC 7519 has them: the time of issue is cut
/// to the second, so that expiry is exactly a life later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The user.
    pub(super) sub: String,
    /// Issued at.
    pub(super) iat: i64,
    /// Expires at; valid before it and not at it.
    pub(super) exp: i64,
    /// The token's own id, by which it is revoked.
    pub(super) jti: String,
    /// The generation of the user's password.
    #[serde(rename = "gen")]
    pub(super) generation: String,
}

impl Claims {
    /// When it expires, in milliseconds.
    pub(super) fn expires_at(&self) -> i64 {
        self.exp.saturating_mul(1_000)
    }
}

/// The key, in the forms that signing and checking want.
pub(super) struct Keys {
    sign: EncodingKey,
    check: DecodingKey,
    rules: Validation,
    life: Duration,
}

impl Keys {
    pub(super) fn new(secret: &[u8], life: Duration) -> Keys {
        // It can be installed once per process, and it is the same one each time.
        let _ = HS256.install_default();
        let mut rules = Validation::new(Algorithm::HS256);
        // Expiry is checked by `Auth`, against its clock and without leeway.
        rules.validate_exp = false;
        Keys {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
            rules,
            life,
        }
    }

    /// Signs a new token; `now` is in milliseconds.
    pub(super) fn issue(&self, user: &str, generation: &str, now: i64) -> Result<(String, Claims)> {
        let iat = now.div_euclid(1_000);
        let claims = Claims {
            sub: user.to_owned(),
            iat,
            exp: iat.saturating_add(super::millis(self.life) / 1_000),
            jti: random::name()?,
            generation: generation.to_owned(),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .map_err(|error| Error::Internal(format!("cannot sign a token: {error}")))?;
        Ok((token, claims))
    }

    /// What a token says, if we signed it.
    pub(super) fn check(&self, token: &str) -> Result<Claims> {
        if token.len() > MOST_BYTES {
            return Err(Error::TokenInvalid);
        }
        jsonwebtoken::decode(token, &self.check, &self.rules)
            .map(|data| data.claims)
            .map_err(|_| Error::TokenInvalid)
    }
}

/// HMAC with SHA-256 for jsonwebtoken, whose own back ends bring RSA or a C library.
static HS256: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Hs256::new(*algorithm, key.try_get_as_bytes()?)?))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(algorithm: Algorithm, key: &[u8]) -> JwtResult<Hs256> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Hmac::new_from_slice(key).map(Hs256).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        // Takes the same time wherever the first difference is.
        let mac = self.0.clone().chain_update(message);
        mac.verify_slice(tag).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(b"Jefe", Duration::from_secs(86_400))
    }

    /// RFC 4231, test case 2: our HMAC is the one that everybody else means.
    #[test]
    fn the_signature_is_hmac_sha256() {
        let tag = Hs256::new(Algorithm::HS256, b"Jefe").unwrap();
        let tag = tag.try_sign(b"what do ya want for nothing?").unwrap();
        assert_eq!(
            crate::hex::write(&tag),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn no_other_algorithm_is_provided() {
        for algorithm in [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::EdDSA] {
            assert!(Hs256::new(algorithm, b"Jefe").is_err());
        }
    }

    #[test]
    fn a_token_lives_exactly_its_life_from_the_second_of_issue() {
        let (token, claims) = keys().issue("ann", "g", 1_700_000_000_999).unwrap();
        assert_eq!((claims.iat, claims.exp), (1_700_000_000, 1_700_086_400));
        assert_eq!(claims.expires_at(), 1_700_086_400_000);
        assert_eq!(keys().check(&token).unwrap(), claims);
    }

    #[test]
    fn two_tokens_of_one_instant_have_ids_of_their_own() {
        let (first, second) = (keys().issue("ann", "g", 0), keys().issue("ann", "g", 0));
        assert_ne!(first.unwrap().1.jti, second.unwrap().1.jti);
    }

    #[test]
    fn the_longest_user_name_makes_a_token_far_below_the_limit() {
        let generation = random::name().unwrap();
        let (token, _) = keys().issue(&"x".repeat(64), &generation, i64::MAX).unwrap();
        assert!(token.len() < 500, "{}", token.len());
        keys().check(&token).unwrap();
    }

    #[test]
    fn a_token_over_the_limit_is_refused_even_if_we_signed_it() {
        let (token, _) = keys().issue(&"x".repeat(4_000), "g", 0).unwrap();
        assert!(matches!(keys().check(&token), Err(Error::TokenInvalid)));
    }
}
