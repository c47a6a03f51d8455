//! `meta`: tasks that steer the run itself.

use std::sync::{Arc, atomic::Ordering};

use super::{HostRun, Stop};
use crate::playbook::{
    ast::{Meta, Task},
    event::Event,
    run::lock,
    template,
};

impl HostRun<'_> {
    /// What such a task does, for those who ask for much.
    fn tell_meta(&self, task: &Task, message: String) {
        self.tell_of(task.id, self.at.clone(), message, false);
    }

    /// That the handlers at the end of a section run.
    pub(super) fn tell_flush(&self, id: usize) {
        let message = format!("triggered running handlers for {}", self.name);
        self.tell_of(id, vec![id], message, true);
    }

    fn tell_of(&self, id: usize, order: Vec<usize>, message: String, implied: bool) {
        let (host, play) = (self.name.to_owned(), self.batch.number);
        (self.run.sink)(Event::Meta { host, play, id, order, message, implied });
    }

    pub(super) async fn meta(&mut self, task: &Arc<Task>, meta: Meta) -> Result<(), Stop> {
        // It waits for nothing.
        if meta != Meta::Noop {
            self.drain().await?;
        }
        let told = meta != Meta::FlushHandlers;
        if told {
            let title = self.title(task);
            self.tell_task(task, &title);
        }
        let asks = !matches!(meta, Meta::Noop | Meta::RefreshInventory | Meta::ResetConnection);
        if !asks && !task.common.when.is_empty() {
            self.run.warn(vec![format!("{} task does not support when conditional", meta.word())]);
        }
        if asks {
            loop {
                let view = self.view(task, None);
                let mut holds = Ok(true);
                for condition in &task.common.when {
                    holds = template::truth(&view, condition);
                    if holds != Ok(true) {
                        break;
                    }
                }
                match holds {
                    Ok(true) => break,
                    Ok(false) => {
                        if told {
                            self.tell_skip(task);
                            self.tell_meta(task, format!("{} conditional evaluated to False", meta.word()));
                        }
                        return Ok(());
                    }
                    Err(error) => {
                        if let Some(message) = self.meet(error).await? {
                            self.push_failure(task, &message);
                            return self.drain().await;
                        }
                    }
                }
            }
        }
        let said = match meta {
            Meta::Noop => "noop".to_owned(),
            Meta::FlushHandlers => format!("triggered running handlers for {}", self.name),
            Meta::RefreshInventory => "inventory successfully refreshed".to_owned(),
            Meta::ClearFacts => "facts cleared".to_owned(),
            Meta::ClearHostErrors => "cleared host errors".to_owned(),
            Meta::EndBatch => "ending batch".to_owned(),
            Meta::EndPlay => "ending play".to_owned(),
            Meta::EndHost => format!("ending play for {}", self.name),
            Meta::EndRole => {
                let role = task.role.as_ref().map_or("", |role| role.name.as_str());
                format!("ending role {role} for {}", self.name)
            }
            Meta::ResetConnection if self.shell.is_some() => "reset connection".to_owned(),
            Meta::ResetConnection => "no connection, nothing to reset".to_owned(),
        };
        self.tell_meta(task, said);
        match meta {
            Meta::Noop => Ok(()),
            Meta::FlushHandlers if self.in_handler => {
                self.push_failure(task, "flush_handlers cannot be used as a handler");
                self.drain().await
            }
            Meta::FlushHandlers => self.flush(task.id).await,
            Meta::EndHost => Err(Stop::Ended),
            Meta::EndPlay | Meta::EndBatch => {
                if meta == Meta::EndPlay {
                    self.run.ended.store(true, Ordering::Relaxed);
                }
                self.batch.over.store(true, Ordering::Relaxed);
                Err(Stop::Ended)
            }
            Meta::EndRole => Err(Stop::EndRole(task.role.as_ref().map(|role| role.path.clone()).unwrap_or_default())),
            Meta::ClearFacts => {
                let mut known = lock(&self.run.shared.known);
                for host in &self.batch.hosts {
                    if let Some(known) = known.get_mut(host) {
                        (known.facts, known.gathered) = (None, false);
                    }
                    if let Some(cache) = &self.run.options.fact_cache {
                        cache.forget(host);
                    }
                }
                Ok(())
            }
            Meta::ResetConnection => {
                self.shell = None;
                self.run.connections.close(self.name).await;
                self.reset = true;
                Ok(())
            }
            Meta::ClearHostErrors => {
                // Those of this play; they take part again from the next play on.
                let hosts = lock(&self.batch.all_hosts).clone();
                lock(&self.run.failed).retain(|host| !hosts.contains(host));
                lock(&self.run.unreachable).retain(|host| !hosts.contains(host));
                Ok(())
            }
            Meta::RefreshInventory => match self.run.refresh_inventory() {
                Ok(()) => Ok(()),
                Err(message) => {
                    self.push_failure(task, &message);
                    self.drain().await
                }
            },
        }
    }
}
