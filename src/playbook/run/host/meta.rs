//! `meta`: tasks that steer the run itself.

use std::sync::{Arc, atomic::Ordering};

use super::{HostRun, Stop};
use crate::playbook::{
    ast::{Meta, Task},
    run::lock,
    template,
};

impl HostRun<'_> {
    pub(super) async fn meta(&mut self, task: &Arc<Task>, meta: Meta) -> Result<(), Stop> {
        if matches!(meta, Meta::Noop) {
            return Ok(());
        }
        self.drain().await?;
        let told = !matches!(meta, Meta::FlushHandlers);
        if told {
            let title = self.title(task);
            self.tell_task(task, &title);
        }
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
                lock(&self.run.failed).clear();
                lock(&self.run.unreachable).clear();
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
