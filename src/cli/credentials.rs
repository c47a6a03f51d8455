//! What lets you in: SSH keys, access tokens, sessions.

use anyhow::Result;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::parse,
    client::Client,
    client_options::ClientOptions,
    fault::Fault,
    output::{Rows, moment},
    register::read_input,
    terminal::say,
};

/// Commands about where you are signed in.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List your sessions
    List,
    /// End a session
    #[command(visible_alias = "remove")]
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

/// Commands about your SSH keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List your SSH keys
    List,
    /// Add a public key
    #[command(
        after_help = "Examples:\n  berth keys add laptop ~/.ssh/id_ed25519.pub\n  ssh-add -L | head -1 | berth keys add agent -"
    )]
    Add {
        /// What to call it
        name: String,
        /// The public key's file; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Remove a key
    #[command(visible_alias = "rm")]
    Remove {
        /// Its id or name, as `list` shows them
        key: String,
    },
}

/// Commands about your access tokens.
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// List your access tokens
    List,
    /// Make an access token; it is shown this once
    #[command(
        after_help = "The token alone goes to stdout, so that it can be caught.\n\nExamples:\n  berth tokens add ci --days 90\n  export BERTH_TOKEN=$(berth tokens add shell --days 1)"
    )]
    Add {
        /// What to call it
        name: String,
        /// Days until it ends; without: never
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
    },
    /// Remove an access token; it stops working at once
    #[command(visible_alias = "rm")]
    Remove {
        /// Its id or name, as `list` shows them
        token: String,
    },
}

/// A key, a token or a session in a list.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    id: String,
    name: String,
    fingerprint: String,
    created_at: Option<String>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    user_agent: Option<String>,
    peer: Option<String>,
    current: bool,
    token: Option<String>,
}

/// Runs a command about sessions.
pub async fn sessions(command: SessionsCommand, client: &Client, options: &ClientOptions) -> Result<()> {
    match command {
        SessionsCommand::List => {
            let headings = ["ID", "SINCE", "LAST USED", "EXPIRES", "FROM", "WITH", ""];
            list(&["me", "sessions"], &headings, "no sessions", client, options, |item| {
                let here = if item.current { "this one" } else { "" };
                let used = item.last_used_at.as_deref();
                vec![
                    item.id.clone(),
                    moment(item.created_at.as_deref()),
                    moment(used),
                    moment(item.expires_at.as_deref()),
                    item.peer.clone().unwrap_or_default(),
                    item.user_agent.clone().unwrap_or_default(),
                    here.to_owned(),
                ]
            })
            .await
        }
        SessionsCommand::Revoke { id } => {
            client.delete(&["me", "sessions", &id]).send().await?;
            say(&format!("session {id} ended"));
            Ok(())
        }
    }
}

/// Runs a command about SSH keys.
pub async fn keys(command: KeysCommand, client: &Client, options: &ClientOptions) -> Result<()> {
    match command {
        KeysCommand::List => {
            list(&["me", "ssh-keys"], &["NAME", "FINGERPRINT", "ADDED", "ID"], "no keys", client, options, |item| {
                vec![item.name.clone(), item.fingerprint.clone(), moment(item.created_at.as_deref()), item.id.clone()]
            })
            .await
        }
        KeysCommand::Add { name, file } => {
            let public_key = public_key(&file)?;
            let body = json!({"name": name, "public_key": public_key});
            let answer = client.post(&["me", "ssh-keys"]).once_only().json(body).send().await?;
            let item: Item = answer.parse()?;
            say(&format!("key {} added", item.name));
            options.out().show(&answer.value, || {
                let mut rows = Rows::fields();
                rows.field("name", item.name);
                rows.field("fingerprint", item.fingerprint);
                rows.field("id", item.id);
                Ok(rows)
            })
        }
        KeysCommand::Remove { key } => remove(&["me", "ssh-keys"], "key", &key, client).await,
    }
}

/// Runs a command about access tokens.
pub async fn tokens(command: TokensCommand, client: &Client, options: &ClientOptions) -> Result<()> {
    match command {
        TokensCommand::List => {
            let headings = ["NAME", "MADE", "EXPIRES", "LAST USED", "ID"];
            list(&["me", "tokens"], &headings, "no tokens", client, options, |item| {
                let expires = item.expires_at.as_deref();
                vec![
                    item.name.clone(),
                    moment(item.created_at.as_deref()),
                    if expires.is_none() { "never".to_owned() } else { moment(expires) },
                    moment(item.last_used_at.as_deref()),
                    item.id.clone(),
                ]
            })
            .await
        }
        TokensCommand::Add { name, days } => {
            let mut body = json!({"name": name});
            if let Some(days) = days {
                body["expires_in_days"] = days.into();
            }
            let answer = client.post(&["me", "tokens"]).once_only().json(body).send().await?;
            let item: Item = answer.parse()?;
            say(&format!("token {} made; it is shown this once", item.name));
            options.out().show(&answer.value, || {
                let mut rows = Rows::fields();
                rows.row([item.token.unwrap_or_default()]);
                Ok(rows)
            })
        }
        TokensCommand::Remove { token } => remove(&["me", "tokens"], "token", &token, client).await,
    }
}

async fn list(
    path: &[&str],
    headings: &[&'static str],
    empty: &'static str,
    client: &Client,
    options: &ClientOptions,
    row: impl Fn(&Item) -> Vec<String>,
) -> Result<()> {
    let items = Value::Array(client.list(path, &[], None).await?);
    options.out().show(&items, || {
        let mut rows = Rows::list(headings, empty);
        for item in parse::<Vec<Item>>(&items)? {
            rows.row(row(&item));
        }
        Ok(rows)
    })
}

/// Removes by id, or by a name that only one of them has.
async fn remove(path: &[&str], what: &str, wanted: &str, client: &Client) -> Result<()> {
    let items: Vec<Item> = parse(&Value::Array(client.list(path, &[], None).await?))?;
    let found: Vec<&Item> = items.iter().filter(|item| item.id == wanted || item.name == wanted).collect();
    let item = match found.as_slice() {
        [item] => *item,
        [] => return Err(Fault::NotFound(format!("you have no {what} `{wanted}`")).into()),
        _ => {
            return Err(
                Fault::Usage(format!("{} of your {what}s are called `{wanted}`; give the id", found.len())).into()
            );
        }
    };
    client.delete(&[path, &[item.id.as_str()]].concat()).send().await?;
    say(&format!("{what} {} removed", item.name));
    Ok(())
}

/// A public key from a file; a private key is refused before anything of it is sent.
pub fn public_key(file: &str) -> Result<String> {
    let text = read_input(file)?;
    if text.contains("PRIVATE KEY") {
        let hint = if file == "-" { String::new() } else { format!("; give `{file}.pub`") };
        return Err(Fault::Usage(format!("`{file}` is a private key, which nobody else needs{hint}")).into());
    }
    match text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Fault::Usage(format!("`{file}` holds no public key")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_refused_and_the_public_one_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        let path = path.to_str().unwrap();
        std::fs::write(path, "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n").unwrap();
        let message = public_key(path).unwrap_err().to_string();
        assert!(message.contains(".pub") && !message.contains("abc"), "{message}");
        std::fs::write(path, "# mine\n\nssh-ed25519 AAAA me\n").unwrap();
        assert_eq!(public_key(path).unwrap(), "ssh-ed25519 AAAA me");
        std::fs::write(path, "\n").unwrap();
        assert!(public_key(path).is_err());
    }
}
