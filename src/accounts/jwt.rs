//! Access tokens of sessions: JWT, HS256 and nothing else, no leeway, issuer and audience checked.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Error;
use crate::{
    clock::Millis,
    ctx::Ctx,
    ids::{AccountId, SessionId},
    seal::ring::{Ring, Watched, key_id},
};

const ISSUER: &str = "berth";
const AUDIENCE: &str = "berth-api";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    /// The account.
    pub sub: AccountId,
    /// The session.
    pub sid: SessionId,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

/// A token for this session, and how many seconds it lives.
pub(super) fn sign(ctx: &Ctx, account: AccountId, session: SessionId) -> Result<(String, u64), Error> {
    let life = ctx.config.auth.jwt_expires.as_secs();
    let now = ctx.clock.now().div_euclid(1000);
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: account,
        sid: session,
        jti: Uuid::new_v4(),
        iat: now,
        exp: now.saturating_add(i64::try_from(life).unwrap_or(i64::MAX)),
    };
    let ring = keys(ctx)?.fresh();
    let header = Header { kid: Some(key_id(&ring.current)), ..Header::new(Algorithm::HS256) };
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(ring.current.as_bytes()));
    Ok((token.map_err(|error| Error::Broken(format!("signing a token: {error}")))?, life))
}

/// What a token says, if we signed it and it has not expired.
pub(super) fn read(ctx: &Ctx, token: &str) -> Result<Claims, Error> {
    let (keys, now) = (keys(ctx)?, ctx.clock.now());
    let known = keys.get();
    read_with_any(&known, token, now).or_else(|error| {
        // It may be of a key that another process has made meanwhile.
        let fresh = keys.fresh();
        if std::sync::Arc::ptr_eq(&known, &fresh) { Err(error) } else { read_with_any(&fresh, token, now) }
    })
}

/// Tries the key that signs, then those of before as long as they count.
fn read_with_any(ring: &Ring, token: &str, now: Millis) -> Result<Claims, Error> {
    let until = ring.until.iter().filter(|(until, _)| now < *until).map(|(_, key)| key);
    let keys = [&ring.current].into_iter().chain(&ring.previous).chain(until);
    let mut read = keys.map(|key| read_with(key, token, now));
    read.find(Result::is_ok).unwrap_or(Err(Error::BadToken))
}

fn read_with(secret: &str, token: &str, now: Millis) -> Result<Claims, Error> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.leeway = 0;
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Judged below by our own clock, which tests move.
    rules.validate_exp = false;
    let read = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(secret.as_bytes()), &rules);
    let data = read.map_err(|_| Error::BadToken)?;
    let is_ours = data.header.kid.is_none_or(|kid| kid == key_id(secret));
    let is_alive = now < data.claims.exp.saturating_mul(1000);
    if is_ours && is_alive { Ok(data.claims) } else { Err(Error::BadToken) }
}

fn keys(ctx: &Ctx) -> Result<&Watched<Ring>, Error> {
    let keys = ctx.tokens.as_ref().filter(|keys| !keys.get().current.is_empty());
    keys.ok_or_else(|| Error::Broken("no secret signs tokens".into()))
}

/// For who tries random texts: nothing is one of our tokens that we did not sign.
pub(super) fn try_text(text: &str) {
    assert!(read_with("a secret that signs nothing but in this test", text, 0).is_err(), "{text:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(algorithm: Algorithm, secret: &str, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: AccountId::new(),
            sid: SessionId::new(),
            jti: Uuid::new_v4(),
            iat: 1000,
            exp: 2000,
        };
        change(&mut claims);
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn only_our_own_living_tokens_are_read() {
        let good = token(Algorithm::HS256, "k", |_| ());
        assert!(read_with("k", &good, 1_999_999).is_ok());
        assert!(read_with("k", &good, 2_000_000).is_err(), "expired, without leeway");
        assert!(read_with("other", &good, 1_500_000).is_err(), "another key");
        for wrong in [
            token(Algorithm::HS384, "k", |_| ()),
            token(Algorithm::HS256, "k", |claims| claims.iss = "else".into()),
            token(Algorithm::HS256, "k", |claims| claims.aud = "else".into()),
            good[..good.len() - 2].to_owned(),
            good.replacen('.', "", 1),
            String::new(),
        ] {
            assert!(read_with("k", &wrong, 1_500_000).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_of_before_proves_tokens_until_its_time_is_over() {
        let good = token(Algorithm::HS256, "old", |_| ());
        let ring = Ring { until: vec![(1_800_000, "old".into())], ..Ring::of("new".into()) };
        assert!(read_with_any(&ring, &good, 1_500_000).is_ok());
        assert!(read_with_any(&ring, &good, 1_800_000).is_err());
        let by_setting = Ring { previous: vec!["old".into()], ..Ring::of("new".into()) };
        assert!(read_with_any(&by_setting, &good, 1_999_999).is_ok());
        assert!(read_with_any(&Ring::of("new".into()), &good, 1_500_000).is_err());
    }

    #[test]
    fn a_token_without_a_signature_is_refused() {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
        let good = token(Algorithm::HS256, "k", |_| ());
        let claims = good.split('.').nth(1).unwrap();
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"None"}"#, r#"{"typ":"JWT"}"#, r#"{"alg":"HS256"}"#] {
            let header = B64.encode(header);
            assert!(read_with("k", &format!("{header}.{claims}."), 1_500_000).is_err());
            assert!(read_with("k", &format!("{header}.{claims}"), 1_500_000).is_err());
        }
    }
}
