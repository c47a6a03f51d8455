//! Accounts, for admins.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::parse,
    client_options::{ClientOptions, query},
    fault::Fault,
    output::{Rows, moment},
    terminal::{ask_new_password, confirm, password_from_stdin, say},
};

/// Commands about accounts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List accounts
    #[command(after_help = "Examples:\n  berth users list\n  berth users list --status pending --output json")]
    List {
        /// Only with this status
        #[arg(long, value_parser = ["pending", "active", "suspended"])]
        status: Option<String>,
        /// Only with this role
        #[arg(long, value_enum)]
        role: Option<Role>,
        /// Only where the name holds this text
        #[arg(short, long, value_name = "TEXT")]
        query: Option<String>,
    },
    /// Show an account
    Show {
        /// The user
        username: String,
    },
    /// Make an account
    #[command(
        after_help = "Examples:\n  berth users add alice\n  berth users add bob --role instructor --password-stdin < password.txt"
    )]
    Add {
        /// The user's name, which is also the login on reserved machines
        username: String,
        /// What the account may do
        #[arg(long, value_enum, default_value = "member")]
        role: Role,
        /// The same as `--role admin`
        #[arg(long, conflicts_with = "role")]
        admin: bool,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change an account's role, name, mail address or password
    #[command(
        after_help = "Examples:\n  berth users change alice --role instructor\n  berth users change alice --password-stdin < password.txt"
    )]
    Change {
        /// The user
        username: String,
        /// What the account may do
        #[arg(long, value_enum)]
        role: Option<Role>,
        /// The user's name, as others see it
        #[arg(long, value_name = "NAME")]
        full_name: Option<String>,
        /// The user's mail address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Read a new password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove an account; its reservations are released
    #[command(visible_alias = "rm", after_help = "Example:\n  berth users remove alice --yes")]
    Remove {
        /// The user
        username: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Let a pending account in
    Approve {
        /// The user
        username: String,
    },
    /// Lock an account out; `approve` lets it in again
    Suspend {
        /// The user
        username: String,
    },
    /// Make a link by which a user sets a new password, once
    #[command(
        after_help = "The link alone goes to stdout. Whoever has it sets the password: hand it over on a private way.\n\nExample:\n  berth users reset alice"
    )]
    Reset {
        /// The user
        username: String,
    },
}

/// What an account may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Role {
    /// Books machines
    Member,
    /// Books machines and leads labs
    Instructor,
    /// Everything
    Admin,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Instructor => "instructor",
            Self::Admin => "admin",
        }
    }
}

/// An account as the server shows it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct UserView {
    username: String,
    role: String,
    status: String,
    full_name: Option<String>,
    email: Option<String>,
    created_at: Option<String>,
    last_login_at: Option<String>,
}

/// An account's fields.
pub fn user_fields(user: &UserView) -> Rows {
    let mut rows = Rows::fields();
    rows.field("user", &user.username);
    rows.field("role", &user.role);
    rows.field("status", &user.status);
    rows.field("name", user.full_name.clone().unwrap_or_default());
    rows.field("mail", user.email.clone().unwrap_or_default());
    rows.field("since", moment(user.created_at.as_deref()));
    rows.field("last sign-in", moment(user.last_login_at.as_deref()));
    rows
}

/// The link with a server in it: the one we asked, when the server does not know its own address.
fn absolute(link: &str, base: &reqwest::Url) -> String {
    if !link.starts_with('/') {
        return link.to_owned();
    }
    format!("{}{link}", base.as_str().trim_end_matches("/api"))
}

/// Runs one of them.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let out = options.out();
    let (value, done) = match command {
        Command::List { status, role, query: search } => {
            let query = query(&[("q", search.as_deref())], &[]);
            let mut items = client.list(&["users"], &query, None).await?;
            for (field, wanted) in [("status", &status), ("role", &role.map(|role| role.name().to_owned()))] {
                items.retain(|item| wanted.as_deref().is_none_or(|wanted| item[field] == wanted));
            }
            let items = Value::Array(items);
            return out.show(&items, || {
                let mut rows = Rows::list(&["USER", "ROLE", "STATUS", "NAME", "SINCE", "LAST SIGN-IN"], "no accounts");
                for user in parse::<Vec<UserView>>(&items)? {
                    let name = user.full_name.unwrap_or_default();
                    let (since, last) = (moment(user.created_at.as_deref()), moment(user.last_login_at.as_deref()));
                    rows.row([user.username, user.role, user.status, name, since, last]);
                }
                Ok(rows)
            });
        }
        Command::Show { username } => (client.get(&["users", &username]).send().await?.value, None),
        Command::Add { username, role, admin, password_stdin } => {
            let password = if password_stdin {
                password_from_stdin()?
            } else {
                ask_new_password(&format!("Password for {username}"))?
            };
            let role = if admin { Role::Admin } else { role };
            let body = json!({"username": username, "password": password, "role": role.name()});
            let answer = client.post(&["users"]).once_only().secret().json(body).send().await?;
            (answer.value, Some(format!("account {username} made")))
        }
        Command::Change { username, role, full_name, email, password_stdin } => {
            let mut change = Map::new();
            change.extend(role.map(|role| ("role".to_owned(), Value::from(role.name()))));
            change.extend(full_name.map(|name| ("full_name".to_owned(), Value::from(name))));
            change.extend(email.map(|address| ("email".to_owned(), Value::from(address))));
            if password_stdin {
                change.insert("password".to_owned(), password_from_stdin()?.into());
            }
            if change.is_empty() {
                return Err(Fault::Usage("nothing to change; see `berth users change --help`".into()).into());
            }
            let answer = client.patch(&["users", &username]).secret().json(change.into()).send().await?;
            (answer.value, Some(format!("account {username} changed")))
        }
        Command::Remove { username, yes } => {
            if !yes {
                confirm(&format!("Remove the account {username}?"))?;
            }
            client.delete(&["users", &username]).send().await?;
            say(&format!("account {username} removed"));
            return Ok(());
        }
        Command::Approve { username } => {
            let answer = client.patch(&["users", &username]).json(json!({"status": "active"})).send().await?;
            (answer.value, Some(format!("account {username} is active")))
        }
        Command::Suspend { username } => {
            let answer = client.patch(&["users", &username]).json(json!({"status": "suspended"})).send().await?;
            (answer.value, Some(format!("account {username} is suspended")))
        }
        Command::Reset { username } => {
            let answer = client.post(&["users", &username, "reset"]).send().await?;
            say(&format!(
                "whoever opens this link sets the password of {username}, once; it ends {}",
                moment(answer.value["expires_at"].as_str())
            ));
            return out.show(&answer.value, || {
                let mut rows = Rows::fields();
                rows.row([absolute(answer.value["url"].as_str().unwrap_or_default(), &client.identity().base)]);
                Ok(rows)
            });
        }
    };
    if let Some(done) = done {
        say(&done);
    }
    out.show(&value, || Ok(user_fields(&parse(&value)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_can_be_handed_over_as_it_is_printed() {
        let base = crate::cli::client::api_base("https://berth.example.org/lab").unwrap();
        assert_eq!(absolute("/password#t", &base), "https://berth.example.org/lab/password#t");
        assert_eq!(absolute("https://other.example/r#t", &base), "https://other.example/r#t");
    }
}
