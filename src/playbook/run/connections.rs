//! The shells of a run.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use super::lock;
use crate::remote::{self, Meter, Shell, Target, Usage};

/// Shells by host. Those put in are used and stay open; missing ones are opened by the run and closed at its end.
#[derive(Debug, Default)]
pub struct Connections {
    shells: Mutex<HashMap<String, Arc<Shell>>>,
    opened: Mutex<HashSet<String>>,
    /// What connections of the run have cost, closed and failed ones among them.
    meters: Mutex<Vec<(String, Arc<Meter>)>>,
}

impl Connections {
    /// Gives the run a shell that is open already.
    pub fn put(&self, name: &str, shell: Shell) {
        lock(&self.shells).insert(name.to_owned(), Arc::new(shell));
    }

    /// Takes a shell back, after the run.
    pub fn take(&self, name: &str) -> Option<Shell> {
        Arc::into_inner(lock(&self.shells).remove(name)?)
    }

    /// Closes the shell of a host; the next step opens another.
    pub(super) async fn close(&self, name: &str) {
        let shell = lock(&self.shells).remove(name);
        if let Some(shell) = shell.and_then(Arc::into_inner) {
            shell.close().await;
        }
    }

    pub(super) fn forget(&self, name: &str) {
        lock(&self.shells).remove(name);
    }

    /// The shell of a host, if there is an open one.
    pub fn get(&self, name: &str) -> Option<Arc<Shell>> {
        lock(&self.shells).get(name).filter(|shell| shell.is_open()).cloned()
    }

    pub(super) async fn open(&self, target: &Target) -> Result<Arc<Shell>, remote::Error> {
        if let Some(shell) = self.get(&target.name) {
            return Ok(shell);
        }
        let attempt = Meter::begin();
        let shell = match Shell::begin(target).await {
            Ok(shell) => Arc::new(shell),
            Err(error) => {
                attempt.end();
                lock(&self.meters).push((target.name.clone(), Arc::new(attempt)));
                return Err(error);
            }
        };
        self.meter(&target.name, &shell);
        lock(&self.shells).insert(target.name.clone(), Arc::clone(&shell));
        lock(&self.opened).insert(target.name.clone());
        Ok(shell)
    }

    /// Puts another shell in a host's place.
    pub(super) fn replace(&self, name: &str, shell: Arc<Shell>) {
        self.meter(name, &shell);
        lock(&self.shells).insert(name.to_owned(), shell);
        lock(&self.opened).insert(name.to_owned());
    }

    fn meter(&self, name: &str, shell: &Shell) {
        lock(&self.meters).extend(shell.meter().map(|meter| (name.to_owned(), meter)));
    }

    /// What the connections that were opened since the last time have cost.
    pub(super) fn usage(&self) -> Vec<(String, Usage)> {
        let meters = std::mem::take(&mut *lock(&self.meters));
        meters.into_iter().map(|(name, meter)| (name, meter.usage())).collect()
    }

    pub(super) async fn close_opened(&self) {
        let names: Vec<String> = lock(&self.opened).drain().collect();
        let shells: Vec<Shell> = names.iter().filter_map(|name| self.take(name)).collect();
        let closing = shells.into_iter().map(Shell::leave);
        futures_util::future::join_all(closing).await;
    }
}
