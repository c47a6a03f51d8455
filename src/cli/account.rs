//! You: signing in and out, your profile, keys, tokens and sessions.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::{Client, parse},
    client_options::ClientOptions,
    fault::Fault,
    output::{Rows, moment},
    register::read_input,
    terminal::{ask_new_password, ask_password, lines_from_stdin, password_from_stdin, say},
    users::{UserView, user_fields},
};

/// Commands about you.
#[derive(Debug, Subcommand)]
pub enum Command {
    Login(LoginArgs),
    /// Sign out: end the session on the server and forget it here
    #[command(after_help = "Examples:\n  berth logout\n  berth logout --profile lab")]
    Logout,
    /// Show who you are to the server
    #[command(after_help = "Examples:\n  berth whoami\n  berth whoami --output json | jq -r .username")]
    Whoami,
    /// Your profile and sessions; alone: show the profile
    #[command(
        after_help = "Examples:\n  berth me\n  berth me update --full-name 'Alice Quay'\n  berth me password\n  berth me sessions list"
    )]
    Me {
        #[command(subcommand)]
        command: Option<MeCommand>,
    },
    /// The SSH keys that reserved machines let in: list, add, remove
    #[command(subcommand, visible_alias = "key")]
    Keys(KeysCommand),
    /// Access tokens for scripts (`BERTH_TOKEN`): list, add, remove
    #[command(subcommand, visible_alias = "token")]
    Tokens(TokensCommand),
}

/// Sign in and keep the session in the profiles file
#[derive(Debug, Args)]
#[command(
    after_help = "The password is asked for without echo, or read from standard input; there is no way to give it as \
an argument.\n\nExamples:\n  berth login alice\n  berth login alice --url https://berth.example.org --profile lab\n  \
berth login ci --password-stdin < password.txt"
)]
pub struct LoginArgs {
    /// Your user name; asked for when left out
    username: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

/// Commands about your profile.
#[derive(Debug, Subcommand)]
pub enum MeCommand {
    /// Show your profile
    Show,
    /// Change your name or mail address
    #[command(after_help = "Example:\n  berth me update --full-name 'Alice Quay' --email alice@example.org")]
    Update {
        /// Your name, as others see it
        #[arg(long, value_name = "NAME")]
        full_name: Option<String>,
        /// Your mail address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
    },
    /// Change your password
    #[command(
        after_help = "Example:\n  berth me password\n  printf '%s\\n' \"$OLD\" \"$NEW\" | berth me password --password-stdin"
    )]
    Password {
        /// Read the present password, then the new one, each a line, from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Where you are signed in: list, revoke
    #[command(subcommand)]
    Sessions(SessionsCommand),
}

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

/// What `whoami` answers.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct WhoAmI {
    username: String,
    role: String,
    status: String,
    via: String,
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

/// Runs one of them.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    match command {
        Command::Login(args) => login(args, &client).await,
        Command::Logout => logout(&client).await,
        Command::Whoami => whoami(&client, options).await,
        Command::Me { command } => me(command.unwrap_or(MeCommand::Show), &client, options).await,
        Command::Keys(command) => keys(command, &client, options).await,
        Command::Tokens(command) => tokens(command, &client, options).await,
    }
}

async fn login(args: LoginArgs, client: &Client) -> Result<()> {
    let username = match args.username {
        Some(username) => username,
        None if args.password_stdin => {
            return Err(Fault::Usage("name the user too: `berth login USER --password-stdin`".into()).into());
        }
        None => ask_line("User name")?,
    };
    let password =
        if args.password_stdin { password_from_stdin()? } else { ask_password(&format!("Password of {username}"))? };
    let body = json!({"username": username, "password": password});
    let answer = client.post(&["login"]).anonymous().secret().json(body).send().await?;
    let name = answer.value["username"].as_str().unwrap_or(&username).to_owned();
    client.keep_session(&answer, &name)?;
    let identity = client.identity();
    say(&format!("signed in to {} as {name}; session kept in {}", identity.base, identity.store.path().display()));
    if identity.token.is_some() {
        say("warning: BERTH_TOKEN is set and goes before this session");
    }
    Ok(())
}

fn ask_line(question: &str) -> Result<String> {
    use std::io::{IsTerminal, Write};
    if !std::io::stdin().is_terminal() {
        return Err(Fault::Usage("name the user: `berth login USER`".into()).into());
    }
    write!(std::io::stderr(), "{question}: ")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

async fn logout(client: &Client) -> Result<()> {
    let identity = client.identity();
    if identity.profile.as_ref().is_none_or(|profile| profile.access_token.is_none()) {
        say(&format!("not signed in to {}", identity.base));
        return Ok(());
    }
    let told = client.logout().await;
    client.forget_session()?;
    match told {
        Err(error) if super::fault::code_of(&error) != super::fault::FORBIDDEN => {
            Err(error.context("the session is forgotten here, but the server could not be told"))
        }
        _ => {
            say(&format!("signed out of {}", identity.base));
            Ok(())
        }
    }
}

async fn whoami(client: &Client, options: &ClientOptions) -> Result<()> {
    let answer = client.get(&["whoami"]).send().await?;
    options.out().show(&answer.value, || {
        let me: WhoAmI = answer.parse()?;
        let mut rows = Rows::fields();
        rows.field("user", me.username);
        rows.field("role", me.role);
        rows.field("status", me.status);
        rows.field("signed in by", me.via);
        rows.field("server", client.identity().base.as_str());
        Ok(rows)
    })
}

async fn me(command: MeCommand, client: &Client, options: &ClientOptions) -> Result<()> {
    let answer = match command {
        MeCommand::Show => client.get(&["me"]).send().await?,
        MeCommand::Update { full_name, email } => {
            let mut change = serde_json::Map::new();
            change.extend(full_name.map(|name| ("full_name".to_owned(), Value::from(name))));
            change.extend(email.map(|address| ("email".to_owned(), Value::from(address))));
            if change.is_empty() {
                return Err(Fault::Usage("nothing to change; give `--full-name` or `--email`".into()).into());
            }
            client.patch(&["me"]).json(change.into()).send().await?
        }
        MeCommand::Password { password_stdin } => {
            let (current, new) = if password_stdin {
                let mut lines = lines_from_stdin(2)?;
                let new = lines.remove(1);
                (lines.remove(0), new)
            } else {
                (ask_password("Present password")?, ask_new_password("New password")?)
            };
            let change = json!({"password": {"current": current, "new": new}});
            client.patch(&["me"]).secret().json(change).send().await?;
            say("password changed");
            return Ok(());
        }
        MeCommand::Sessions(command) => return sessions(command, client, options).await,
    };
    options.out().show(&answer.value, || Ok(user_fields(&answer.parse::<UserView>()?)))
}

async fn sessions(command: SessionsCommand, client: &Client, options: &ClientOptions) -> Result<()> {
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

async fn keys(command: KeysCommand, client: &Client, options: &ClientOptions) -> Result<()> {
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

async fn tokens(command: TokensCommand, client: &Client, options: &ClientOptions) -> Result<()> {
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
