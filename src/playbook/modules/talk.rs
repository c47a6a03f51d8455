//! A conversation with a host, for work that must hear an answer before it can say more: files too large to send
//! unasked, files that come back, hosts that go away and return.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Args, AsyncScope, Outcome, Script, trial};
use crate::remote::{Error, Reply};

/// How a conversation ends; an error is a lost connection.
pub type Said = Result<Outcome, Error>;

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
        T: Future<Output = Said> + Send + 'static,
    {
        Self { act: Arc::new(move |args, host| Box::pin(act(args, host))), patient: false }
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
pub struct Host {
    /// What the module may know.
    pub scope: AsyncScope,
    /// Writes a step.
    pub ask: Ask,
    /// Connects anew.
    pub reconnect: Reconnect,
}

impl Host {
    /// Runs a step and waits for what `register` would hold of it.
    pub async fn run(&self, args: &Args, script: Script) -> Result<Map<String, Value>, Error> {
        let finish = script.finish;
        let reply = (self.ask)(script).await?.await?;
        Ok(trial::result(reply, args, finish))
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
        Self { failed, changed, result, facts: Map::new() }
    }
}
