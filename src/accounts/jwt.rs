//! Access tokens of sessions: JWT, HS256 and nothing else, no leeway, issuer and audience checked.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, model::digest};
use crate::{
    clock::Millis,
    ctx::Ctx,
    ids::{AccountId, SessionId},
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
    let secret = secret(ctx)?;
    let header = Header { kid: Some(key_id(secret)), ..Header::new(Algorithm::HS256) };
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes()));
    Ok((token.map_err(|error| Error::Broken(format!("signing a token: {error}")))?, life))
}

/// What a token says, if we signed it and it has not expired.
pub(super) fn read(ctx: &Ctx, token: &str) -> Result<Claims, Error> {
    read_with(secret(ctx)?, token, ctx.clock.now())
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

fn secret(ctx: &Ctx) -> Result<&str, Error> {
    let secret = ctx.config.auth.jwt_secret.as_ref().map(|secret| secret.0.as_str());
    secret.filter(|secret| !secret.is_empty()).ok_or_else(|| Error::Broken("no secret signs tokens".into()))
}

/// Names a secret without telling it.
fn key_id(secret: &str) -> String {
    digest(&format!("berth key id:{secret}"))[..8].to_owned()
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
