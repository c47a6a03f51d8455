//! Whether a task is among those that were asked for.

use std::sync::atomic::Ordering;

use super::HostRun;
use crate::playbook::ast::Task;

impl HostRun<'_> {
    /// Whether the tags and `start_at_task` let this task run.
    pub(super) fn wanted(&self, task: &Task) -> bool {
        let options = self.run.options;
        if !self.run.started.load(Ordering::Relaxed) {
            let wanted = options.start_at_task.as_deref().unwrap_or_default();
            if task.name.as_deref() != Some(wanted) && task.title() != wanted {
                return false;
            }
            self.run.started.store(true, Ordering::Relaxed);
        }
        tags_allow(&task.common.tags, &options.tags, &options.skip_tags)
    }
}

/// Whether a task with these tags runs under `--tags` and `--skip-tags`.
pub(in crate::playbook) fn tags_allow(own: &[String], wanted: &[String], skipped: &[String]) -> bool {
    let has = |tag: &str| own.iter().any(|own| own == tag);
    let any = |list: &[String]| list.iter().any(|tag| has(tag));
    let wants = |word: &str| wanted.iter().any(|tag| tag == word);
    let skips = |word: &str| skipped.iter().any(|tag| tag == word);
    let called = if wanted.is_empty() || wants("all") {
        !has("never") || any(wanted)
    } else if has("always") {
        true
    } else {
        any(wanted) || (wants("tagged") && !own.is_empty() && !has("never")) || (wants("untagged") && own.is_empty())
    };
    let out = any(skipped)
        || (skips("all") && !has("always"))
        || (skips("tagged") && !own.is_empty())
        || (skips("untagged") && own.is_empty());
    called && !out
}
