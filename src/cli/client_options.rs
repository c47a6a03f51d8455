//! The options that every command takes: which server, as whom, shown how.

use anyhow::Result;
use clap::Args;

use super::{
    client::{Client, Identity, api_base},
    fault::Fault,
    output::{Format, Out},
    profile::Store,
};

/// Where the server listens unless someone says otherwise.
const USUAL_URL: &str = "http://127.0.0.1:8080";

/// Which server, as whom, shown how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct ClientOptions {
    /// How data is shown on stdout
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "table",
        env = "BERTH_OUTPUT",
        hide_env_values = true
    )]
    pub output: Format,
    /// The session to use, by the name given at `berth login`
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "default",
        env = "BERTH_PROFILE",
        hide_env_values = true
    )]
    pub profile: String,
    /// The server's address; else `API_BASE`, the profile's, or <http://127.0.0.1:8080>
    #[arg(long, global = true, value_name = "URL", env = "BERTH_URL", hide_env_values = true)]
    pub url: Option<String>,
}

impl ClientOptions {
    /// Where data goes.
    pub fn out(&self) -> Out {
        Out::stdout(self.output)
    }

    /// The server, with what we know of ourselves there.
    pub fn client(&self) -> Result<Client> {
        if self.profile.is_empty() || self.profile.chars().any(char::is_control) {
            return Err(Fault::Usage("a profile needs a name".into()).into());
        }
        let store = Store::at_home()?;
        let token = variable("BERTH_TOKEN");
        let profile = store.get(&self.profile)?;
        let given = self.url.clone().filter(|url| !url.is_empty()).or_else(|| variable("API_BASE"));
        let kept = profile.as_ref().map(|profile| profile.url.clone());
        let base = api_base(given.or(kept).as_deref().unwrap_or(USUAL_URL))?;
        // A session is only for the server that gave it.
        let profile = profile.filter(|profile| profile.url == base.as_str());
        let verify_tls = !variable("VERIFY_TLS").is_some_and(|text| is_off(&text));
        Client::new(Identity { base, profile_name: self.profile.clone(), store, profile, token, verify_tls })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn is_off(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "false" | "0" | "no" | "off")
}

/// A `key=value` pair from the command line.
pub fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("a label looks like `gpu=a100`".to_owned()),
    }
}

/// Labels as the API's JSON wants them.
pub fn label_map(labels: &[(String, String)]) -> serde_json::Map<String, serde_json::Value> {
    labels.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect()
}

/// Labels, pool and the like as a query; what was not given is left out.
pub fn query<'a>(pairs: &[(&'a str, Option<&str>)], labels: &[(String, String)]) -> Vec<(&'a str, String)> {
    let given = pairs.iter().filter_map(|(key, value)| Some((*key, (*value)?.to_owned())));
    given.chain(labels.iter().map(|(key, value)| ("label", format!("{key}={value}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_checks_are_off_only_when_said_so() {
        for text in ["false", "False", "0", "no", "off"] {
            assert!(is_off(text), "{text}");
        }
        for text in ["true", "1", "yes", "", "fals"] {
            assert!(!is_off(text), "{text}");
        }
    }

    #[test]
    fn labels_are_pairs() {
        assert_eq!(label("gpu=a=b"), Ok(("gpu".into(), "a=b".into())));
        assert!(label("gpu").is_err() && label("=x").is_err());
    }

    #[test]
    fn a_query_holds_what_was_given() {
        let pairs = query(&[("pool", Some("lab")), ("state", None)], &[("gpu".into(), "a100".into())]);
        assert_eq!(pairs, [("pool", "lab".to_owned()), ("label", "gpu=a100".to_owned())]);
    }
}
