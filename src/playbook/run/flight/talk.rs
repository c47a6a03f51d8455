//! A module's conversation with a host.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use crate::{
    playbook::{
        ast::Task,
        event::Event,
        modules::{
            Args, AsyncScope, Outcome, Script,
            talk::{Answer, Ask, Host, Reconnect, Talk},
        },
        run::{
            host::{HostRun, Stop},
            prepare::Manner,
        },
    },
    remote::{self, Error, Shell, Step, Target, Via},
};

impl HostRun<'_> {
    /// Lets a module talk with its host; everything sent before is through by then.
    pub(super) async fn converse(
        &mut self,
        task: &Arc<Task>,
        lead: &Talk,
        args: Args,
        step: Step,
        mut scope: AsyncScope,
        manner: &Manner,
    ) -> Result<Outcome, Stop> {
        self.drain().await?;
        let title = self.title(task);
        self.tell_task(task, &title);
        let (shell, target) = match self.partner(task, manner, lead.patient).await {
            Ok(partner) => partner,
            Err(error) => {
                self.lose(task, &error);
                return Err(Stop::Unreachable);
            }
        };
        // Another shell may answer now, and it knows nothing of failures before it.
        self.last_user = step.become_user.as_ref().map(|them| them.user.clone());
        self.reset = true;
        let (tell, mut told) = mpsc::unbounded_channel::<String>();
        scope.progress = Arc::new(move |line: &str| {
            let _ = tell.send(line.to_owned());
        });
        let slot = Arc::new(Mutex::new(shell.clone()));
        let host = Host {
            scope,
            ask: ask(Arc::clone(&slot), target.clone(), step),
            reconnect: reconnect(Arc::clone(&slot), target.clone()),
            local: matches!(target.via, Via::Local),
        };
        let mut going = lead.begin(args, host);
        let said = loop {
            tokio::select! {
                said = &mut going => break said,
                Some(message) = told.recv() => (self.run.sink)(Event::Progress {
                    host: self.name.to_owned(),
                    task: title.clone(),
                    message,
                }),
            }
        };
        drop(going);
        let now = slot.lock().await.clone();
        if let Some(now) = now.filter(|now| shell.is_none_or(|shell| !Arc::ptr_eq(&shell, now))) {
            self.run.connections.replace(&target.name, Arc::clone(&now));
            if manner.delegate.is_none() {
                self.shell = Some(now);
            }
        }
        said.map_err(|error| {
            self.lose(task, &error);
            Stop::Unreachable
        })
    }

    /// The shell to talk with, and where it is; no shell when it may be missing and is.
    async fn partner(
        &mut self,
        task: &Task,
        manner: &Manner,
        patient: bool,
    ) -> Result<(Option<Arc<Shell>>, Target), remote::Error> {
        if let Some(name) = &manner.delegate {
            let shell = self.delegate(task, name).await?;
            let target = shell.target().clone();
            return Ok((Some(shell), target));
        }
        if patient {
            let target = self.target()?;
            return Ok((self.shell.clone().filter(|shell| shell.is_open()), target));
        }
        let shell = self.shell_for(task).await?;
        let target = shell.target().clone();
        Ok((Some(shell), target))
    }
}

type Slot = Arc<Mutex<Option<Arc<Shell>>>>;

fn ask(slot: Slot, target: Target, step: Step) -> Ask {
    Arc::new(move |script: Script| {
        let slot = Arc::clone(&slot);
        let target = target.clone();
        let step = Step { text: script.text, files: script.files, ..step.clone() };
        Box::pin(async move {
            let mut shell = slot.lock().await;
            let shell = match shell.as_ref() {
                Some(shell) => Arc::clone(shell),
                None => Arc::clone(shell.insert(Arc::new(Shell::open(&target).await?))),
            };
            let pending = shell.send(step).await?;
            Ok::<Answer, Error>(Box::pin(pending.reply()))
        })
    })
}

fn reconnect(slot: Slot, target: Target) -> Reconnect {
    Arc::new(move || {
        let slot = Arc::clone(&slot);
        let target = target.clone();
        Box::pin(async move {
            let mut shell = slot.lock().await;
            *shell = None;
            *shell = Some(Arc::new(Shell::open(&target).await?));
            Ok(())
        })
    })
}
