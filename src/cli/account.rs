//! You: signing in and out, your profile, keys, tokens and sessions.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::Client,
    client_options::ClientOptions,
    credentials::{self, SessionsCommand, TokensCommand},
    fault::Fault,
    output::Rows,
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

/// What `whoami` answers.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct WhoAmI {
    username: String,
    role: String,
    status: String,
    via: String,
    must_change_password: bool,
}

/// Runs one of them.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    match command {
        Command::Login(args) => login(args, &client).await,
        Command::Logout => logout(&client).await,
        Command::Whoami => whoami(&client, options).await,
        Command::Me { command } => me(command.unwrap_or(MeCommand::Show), &client, options).await,
        Command::Tokens(command) => credentials::tokens(command, &client, options).await,
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
        if me.must_change_password {
            rows.field("password", "was chosen by an admin; choose your own: berth me password");
        }
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
        MeCommand::Sessions(command) => return credentials::sessions(command, client, options).await,
    };
    options.out().show(&answer.value, || Ok(user_fields(&answer.parse::<UserView>()?)))
}
