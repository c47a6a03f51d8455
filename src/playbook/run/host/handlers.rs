//! Handlers: which a notification means, and when they run.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use indexmap::IndexSet;

use super::{HostRun, Stop};
use crate::playbook::{ast::Task, run::lock, template};

impl HostRun<'_> {
    /// Runs the notified handlers, in the order in which they stand.
    pub(super) async fn flush(&mut self, id: usize) -> Result<(), Stop> {
        self.base.push(id);
        let ended = self.handlers().await;
        self.base.pop();
        ended
    }

    fn handlers(&mut self) -> BoxFuture<'_, Result<(), Stop>> {
        Box::pin(self.called_handlers())
    }

    async fn called_handlers(&mut self) -> Result<(), Stop> {
        if self.notified.is_empty() {
            return Ok(());
        }
        // A handler may notify those behind it; those before it wait for the next round.
        let handlers: Vec<Arc<Task>> =
            self.batch.play.handlers.iter().cloned().chain(lock(&self.batch.handlers).iter().cloned()).collect();
        let mut ran: IndexSet<usize> = IndexSet::new();
        let mut called: IndexSet<usize> = IndexSet::new();
        for at in 0..handlers.len() {
            for name in std::mem::take(&mut self.notified) {
                let found = self.handlers_called(&name, &handlers);
                if found.is_empty() {
                    let message = format!(
                        "The requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
                    );
                    self.push_failure(&Arc::clone(&handlers[at]), &message);
                    self.drain().await?;
                }
                called.extend(found);
            }
            if !called.contains(&at) || !ran.insert(at) {
                continue;
            }
            called.shift_remove(&at);
            self.in_handler = true;
            let mut ended = self.task(&handlers[at]).await;
            if ended.is_ok() && at + 1 < handlers.len() && !handlers[at].common.notify.is_empty() {
                ended = self.drain().await;
            }
            self.in_handler = false;
            ended?;
        }
        self.in_handler = true;
        let ended = self.drain().await;
        self.in_handler = false;
        for at in called {
            self.notified.insert(handlers[at].title());
        }
        ended
    }

    /// The handlers that a notification means: one of that name, of the list that was read last, and all that listen to it.
    fn handlers_called(&self, wanted: &str, handlers: &[Arc<Task>]) -> Vec<usize> {
        let mut found = Vec::new();
        let names: Vec<Option<String>> = handlers
            .iter()
            .map(|handler| {
                let name = handler.name.as_deref()?;
                if !name.contains('{') {
                    return Some(name.to_owned());
                }
                match template::text(&self.view(handler, None), name) {
                    Ok(name) => Some(name),
                    Err(error) => {
                        if let template::Error::Wrong(why) = error
                            && handler.listen.is_empty()
                        {
                            self.run.warn(vec![unusable(name, &why)]);
                        }
                        None
                    }
                }
            })
            .collect();
        let order = last_list_first(handlers);
        for &at in &order {
            let handler = &handlers[at];
            let Some(name) = &names[at] else { continue };
            let full = handler.role.as_ref().map(|role| format!("{} : {name}", role.name));
            if name == wanted || full.as_deref() == Some(wanted) {
                found.push(at);
                break;
            }
        }
        let mut seen: Vec<&String> = Vec::new();
        for &at in &order {
            let handler = &handlers[at];
            let short = |role: &crate::playbook::ast::Role| role.name.rsplit('.').next().unwrap_or_default().to_owned();
            let in_role = handler.role.as_ref().and_then(|role| {
                [role.name.clone(), short(role)].iter().find_map(|name| wanted.strip_prefix(&format!("{name} : ")))
            });
            let listens = handler.listen.iter().any(|topic| {
                // Topics are no templates, as in Ansible.
                topic == wanted || Some(topic.as_str()) == in_role
            });
            if !listens {
                continue;
            }
            if let Some(name) = &names[at] {
                if seen.contains(&name) {
                    continue;
                }
                seen.push(name);
            }
            found.push(at);
        }
        found
    }

    /// Whether a notification means any handler.
    pub(in crate::playbook::run) fn has_handler(&self, wanted: &str) -> bool {
        let handlers: Vec<Arc<Task>> =
            self.batch.play.handlers.iter().cloned().chain(lock(&self.batch.handlers).iter().cloned()).collect();
        !self.handlers_called(wanted, &handlers).is_empty()
    }
}

/// Nobody can call a handler whose name cannot be made and that listens to nothing. In Ansible's words.
fn unusable(name: &str, why: &str) -> String {
    format!(
        "Handler '{name}' is unusable because it has no listen topics and the name could not be templated \
         (host-specific variables are not supported in handler names). The error: {why}"
    )
}

/// The places of handlers: those of the list that was read last first, each list in its own order.
fn last_list_first(handlers: &[Arc<Task>]) -> Vec<usize> {
    let path = |at: usize| handlers[at].role.as_ref().map(|role| &role.path);
    let places: Vec<usize> = (0..handlers.len()).collect();
    let lists: Vec<&[usize]> = places.chunk_by(|&a, &b| path(a) == path(b)).collect();
    lists.into_iter().rev().flatten().copied().collect()
}
