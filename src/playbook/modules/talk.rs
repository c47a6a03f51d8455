//! A conversation with a host, for work that must hear an answer before it can say more: files too large to send
//! unasked, files that come back, hosts that go away and return.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Args, AsyncScope, Outcome, Script, trial};
use crate::remote::{Error, Reply};

/// How a conversation ends; an error is a lost connection.
pub type Said = Result<Outcome, Error>;

/// Why a conversation cannot go on.
#[derive(Debug)]
pub enum Trouble {
    /// The connection is gone.
    Lost(Error),
    /// The task fails with these words.
    Wrong(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Lost(error)
    }
}

impl From<String> for Trouble {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

/// An answer that is under way.
pub type Answer = BoxFuture<'static, Result<Reply, Error>>;

/// Writes a step to the host; what it gives waits for the answer.
pub type Ask = Arc<dyn Fn(Script) -> BoxFuture<'static, Result<Answer, Error>> + Send + Sync>;

/// Gives up the connection and makes a new one.
pub type Reconnect = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// What a module does in place of one step.
#[derive(Clone)]
pub struct Talk {
    act: Arc<dyn Fn(Args, Host) -> BoxFuture<'static, Said> + Send + Sync>,
    /// The host need not be reachable when it begins.
    pub patient: bool,
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Talk")
    }
}

impl Talk {
    /// A conversation led by `act`.
    pub fn new<F, T>(act: F) -> Self
    where
        F: Fn(Args, Host) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Outcome, Trouble>> + Send + 'static,
    {
        let act = move |args, host| {
            let going = act(args, host);
            let said: BoxFuture<'static, Said> = Box::pin(async move {
                match going.await {
                    Ok(outcome) => Ok(outcome),
                    Err(Trouble::Wrong(message)) => Ok(Outcome::failure(message)),
                    // A user that cannot be become is the task's failure; the host is well.
                    Err(Trouble::Lost(Error::Become { user, why })) => {
                        Ok(Outcome::failure(format!("cannot become `{user}`: {why}")))
                    }
                    Err(Trouble::Lost(error)) => Err(error),
                }
            });
            said
        };
        Self { act: Arc::new(act), patient: false }
    }

    /// The same, and the host need not be reachable when it begins.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { patient: true, ..self }
    }

    /// The step that is this conversation.
    pub fn script(self) -> Script {
        Script { talk: Some(self), ..Script::default() }
    }

    /// Leads it.
    pub fn begin(&self, args: Args, host: Host) -> BoxFuture<'static, Said> {
        (self.act)(args, host)
    }
}

/// The other side of a conversation: steps run as the task's steps do, with the module's library.
#[derive(Clone)]
pub struct Host {
    /// What the module may know.
    pub scope: AsyncScope,
    /// Writes a step.
    pub ask: Ask,
    /// Connects anew.
    pub reconnect: Reconnect,
    /// The host is the controller itself.
    pub local: bool,
}

impl Host {
    /// Runs a step that must end well, and gives what it said.
    pub async fn must(&self, args: &Args, text: String) -> Result<Map<String, Value>, Trouble> {
        let result = self.run(args, Script { text, ..Script::default() }).await?;
        if result.get("failed").and_then(Value::as_bool) == Some(true) {
            let message = result.get("msg").map(super::convert::text_of).unwrap_or_default();
            return Err(Trouble::Wrong(message));
        }
        Ok(result)
    }

    /// Runs a step, or a conversation in its place, and waits for what `register` would hold of it.
    pub fn run<'a>(&'a self, args: &'a Args, script: Script) -> BoxFuture<'a, Result<Map<String, Value>, Error>> {
        Box::pin(async move {
            if let Some(talk) = script.talk {
                let outcome = talk.begin(args.clone(), self.clone()).await?;
                let mut result = outcome.result;
                result.insert("changed".into(), outcome.changed.into());
                result.insert("failed".into(), outcome.failed.is_some().into());
                if let Some(message) = outcome.failed {
                    result.insert("msg".into(), message.into());
                }
                return Ok(result);
            }
            let finish = script.finish;
            let reply = (self.ask)(script).await?.await?;
            Ok(trial::result(reply, args, finish))
        })
    }
}

impl From<Map<String, Value>> for Outcome {
    /// A step's result as the module's.
    fn from(mut result: Map<String, Value>) -> Self {
        let flag = |value: Option<Value>| value.and_then(|value| value.as_bool()).unwrap_or_default();
        let changed = flag(result.shift_remove("changed"));
        let failed = flag(result.shift_remove("failed"));
        let failed =
            failed.then(|| result.shift_remove("msg").map(|msg| super::convert::text_of(&msg)).unwrap_or_default());
        Self { failed, changed, result, ..Self::default() }
    }
}
