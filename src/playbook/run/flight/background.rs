//! `async`: a task whose step goes on in the background of its host.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Landing, State, result::failed};
use crate::{
    playbook::{
        ast::{Action, Task},
        modules::{Args, async_status, convert::text_of},
        run::{
            host::{HostRun, Job, Stop},
            lock,
            prepare::Manner,
        },
        template,
    },
    remote::{Guard, Step},
};

/// Seconds between two looks when `poll` says nothing.
const POLL: u64 = 15;

impl HostRun<'_> {
    /// How long a background task may take; 0 for one that runs in the foreground.
    pub(in crate::playbook::run) fn seconds(task: &Task, view: &Arc<template::View>) -> Result<u64, template::Error> {
        let Some(background) = &task.background else { return Ok(0) };
        let text = text_of(&template::value(view, &background.seconds)?);
        text.trim().parse().map_err(|_| template::Error::Wrong(format!("`async` is `{text}`, not a number of seconds")))
    }

    /// Remembers how the answer of a job is to be read.
    pub(in crate::playbook::run) fn remember(&self, host: &str, job: &str, known: Job) {
        lock(&self.run.jobs).insert((host.to_owned(), job.to_owned()), known);
    }

    /// What `async_status` found, read as the job's own module reads it.
    pub(super) fn understood(&self, task: &Task, mut result: Map<String, Value>) -> Map<String, Value> {
        let asks = matches!(&task.action, Action::Module(module, _) if module.name == "async_status");
        if !(asks || task.background.is_some()) || !async_status::is_finished(&result) {
            return result;
        }
        let job = result.get("ansible_job_id").map(text_of).unwrap_or_default();
        let jobs = lock(&self.run.jobs);
        let found = jobs.iter().find(|((_, name), _)| *name == job).map(|(_, job)| job.clone());
        drop(jobs);
        if let Some(Job { args, finish: Some(finish) }) = found {
            finish(&args, &mut result);
        }
        result
    }

    /// Looks after a job until it is through, unless nobody waits for it.
    pub(super) fn background<'b>(
        &'b mut self,
        task: &'b Arc<Task>,
        landing: &'b Landing,
        result: Map<String, Value>,
    ) -> BoxFuture<'b, Result<Map<String, Value>, Stop>> {
        Box::pin(self.look_after(task, landing, result))
    }

    async fn look_after(
        &mut self,
        task: &Arc<Task>,
        landing: &Landing,
        result: Map<String, Value>,
    ) -> Result<Map<String, Value>, Stop> {
        let view = self.settled_view(task, landing, &result);
        let wrong = |error: template::Error| failed(&error.to_string());
        let seconds = match Self::seconds(task, &view) {
            Ok(seconds) => seconds,
            Err(error) => return Ok(wrong(error)),
        };
        let poll = match task.background.as_ref().and_then(|background| background.poll.as_ref()) {
            None => POLL,
            Some(value) => match template::value(&view, value).map(|value| text_of(&value).trim().parse::<u64>()) {
                Ok(Ok(poll)) => poll,
                Ok(Err(_)) => return Ok(failed("`poll` is not a number of seconds")),
                Err(error) => return Ok(wrong(error)),
            },
        };
        let failed_already = result.get("failed").and_then(Value::as_bool).unwrap_or_default();
        if poll == 0 || seconds == 0 || failed_already {
            return Ok(result);
        }
        let job = result.get("ansible_job_id").map(text_of).unwrap_or_default();
        let manner = Manner { delegate: landing.delegate.clone(), ..Manner::default() };
        let mut left = i64::try_from(seconds).unwrap_or(i64::MAX);
        let mut last = result;
        while left > 0 {
            tokio::time::sleep(Duration::from_secs(poll)).await;
            left -= i64::try_from(poll).unwrap_or(i64::MAX);
            last = match self.ask_job(task, &view, &manner, &job, false).await? {
                Ok(result) => result,
                Err(message) => return Ok(failed(&message)),
            };
            if async_status::is_finished(&last) {
                if let Err(message) = self.ask_job(task, &view, &manner, &job, true).await? {
                    return Ok(failed(&message));
                }
                return Ok(self.understood(task, last));
            }
        }
        let mut result = failed(&format!("async task did not complete within the requested time - {seconds}s"));
        result.insert("async_result".into(), Value::Object(last));
        Ok(result)
    }

    async fn ask_job(
        &mut self,
        task: &Arc<Task>,
        view: &Arc<template::View>,
        manner: &Manner,
        job: &str,
        cleanup: bool,
    ) -> Result<Result<Map<String, Value>, String>, Stop> {
        let script = async_status::status_script(job, cleanup);
        let made = || -> Result<Step, template::Error> {
            Ok(Step {
                text: script.text,
                environment: Self::environment(task, view)?,
                become_user: self.become_of(task, view)?,
                deadline: Some(self.run.options.step_timeout),
                ..Step::default()
            })
        };
        let step = match made() {
            Ok(step) => step,
            Err(error) => return Ok(Err(error.to_string())),
        };
        match self.dispatch(task, step, (Args::default(), None), manner, Guard::None).await? {
            State::Waiting(pending, args, finish) => match pending.reply().await {
                Ok(reply) => Ok(Ok(crate::playbook::modules::trial::result(reply, &args, finish))),
                Err(error) => self.gone(task, &error).map(Ok),
            },
            State::Ready(result) | State::Made(result) => Ok(Ok(result)),
        }
    }
}
