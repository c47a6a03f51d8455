//! Where hosts wait for each other.
//!
//! A host tells how far it is: the place of the first task whose answer it still owes. Whoever needs what others did
//! before a task waits until all of them are there, past it, or through with the play. The host that is furthest
//! behind never waits, so nobody waits for ever.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, watch};

use super::lock;

/// The places of the hosts of a batch.
pub(super) struct Gate {
    hosts: Vec<String>,
    state: Mutex<State>,
    moved: Notify,
    waiting: AtomicUsize,
}

struct State {
    /// `None`: through with the play.
    places: HashMap<String, Option<Vec<usize>>>,
    /// Which host does what is done once, and whether it went well.
    once: HashMap<Vec<usize>, (String, watch::Sender<Option<bool>>)>,
}

impl Gate {
    pub(super) fn new(hosts: &[String]) -> Self {
        let places = hosts.iter().map(|name| (name.clone(), Some(Vec::new()))).collect();
        Self {
            hosts: hosts.to_vec(),
            state: Mutex::new(State { places, once: HashMap::new() }),
            moved: Notify::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Whether somebody waits, so that answers are wanted soon.
    pub(super) fn waited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether there is nobody to wait for.
    pub(super) fn alone(&self) -> bool {
        self.hosts.len() < 2
    }

    /// All before `place` is answered on `host`.
    pub(super) fn at(&self, host: &str, place: &[usize]) {
        let mut state = lock(&self.state);
        let Some(Some(known)) = state.places.get_mut(host) else { return };
        if known.as_slice() != place {
            known.clear();
            known.extend_from_slice(place);
            drop(state);
            self.moved.notify_waiters();
        }
    }

    /// `host` is through.
    pub(super) fn done(&self, host: &str) {
        lock(&self.state).places.insert(host.to_owned(), None);
        self.moved.notify_waiters();
    }

    /// Waits until every host is at `place`, past it or through.
    pub(super) async fn wait(&self, host: &str, place: &[usize]) {
        self.at(host, place);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _leave = Leave(&self.waiting);
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let behind = lock(&self.state).places.values().flatten().any(|other| other.as_slice() < place);
            if !behind {
                return;
            }
            moved.await;
        }
    }

    /// Which host does what is done once at `place`: the first of those that are there. To be asked after `wait`.
    pub(super) fn once(&self, place: &[usize]) -> (String, watch::Receiver<Option<bool>>) {
        let mut state = lock(&self.state);
        if let Some((host, tell)) = state.once.get(place) {
            return (host.clone(), tell.subscribe());
        }
        let there = |name: &&String| state.places.get(*name).is_some_and(|at| at.as_deref() == Some(place));
        let host = self.hosts.iter().find(there).cloned().unwrap_or_default();
        let (tell, told) = watch::channel(None);
        state.once.insert(place.to_vec(), (host.clone(), tell));
        (host, told)
    }

    /// What was done once at `place` is through.
    pub(super) fn once_done(&self, place: &[usize], well: bool) {
        if let Some((_, tell)) = lock(&self.state).once.get(place) {
            tell.send_replace(Some(well));
        }
    }
}

struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_host_waits_for_those_behind_it_and_for_no_other() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let gate = Arc::new(Gate::new(&names));
        gate.at("b", &[9]);
        gate.done("c");
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move {
                gate.wait("b", &[5, 1]).await;
                gate.once(&[5, 1]).0
            }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        gate.at("a", &[5]);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        gate.wait("a", &[5, 1]).await;
        assert_eq!(waiter.await.unwrap(), "a");
    }
}
