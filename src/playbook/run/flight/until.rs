//! A task that is tried until its conditions hold.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Landing, State,
    result::{failed, is, skipped},
};
use crate::{
    playbook::{
        ast::{Task, Until},
        event::Event,
        modules::convert,
        run::{
            host::{HostRun, Stop},
            prepare::{Manner, Round, Work},
        },
        template::{self, Error},
    },
    remote::Guard,
};

impl HostRun<'_> {
    /// Tries until the conditions hold.
    pub(super) async fn try_until(
        &mut self,
        task: &Arc<Task>,
        until: &Until,
        item: Option<(Value, usize)>,
        manner: &Manner,
    ) -> Result<Landing, Stop> {
        let view = self.view(task, None);
        let number = |value: &Option<Value>, default: u64| {
            let value = value.as_ref().map(|value| template::value(&view, value));
            match value {
                Some(Ok(value)) => convert::text_of(&value).parse().unwrap_or(default),
                _ => default,
            }
        };
        let (retries, delay) = (number(&until.retries, 3), number(&until.delay, 5));
        let index = item.as_ref().map_or(0, |(_, index)| *index);
        let mut attempt = 1;
        loop {
            let round = loop {
                match self.round(task, item.clone(), manner) {
                    Ok(round) => break round,
                    Err(error) => {
                        if let Some(message) = self.meet(error).await? {
                            break Round { item: None, label: String::new(), work: Work::Fail(message) };
                        }
                    }
                }
            };
            let Round { item: value, label, work, .. } = round;
            let state = match work {
                Work::Skip(condition) => {
                    return Ok(Landing { item: value, label, index, state: State::Ready(skipped(&condition)) });
                }
                Work::Fail(message) => State::Made(failed(&message)),
                Work::Done(outcome) => State::Made(self.settle(outcome)),
                Work::Slow(act, args, scope) => {
                    let outcome = act(args, *scope).await;
                    State::Made(self.settle(outcome))
                }
                Work::Talk(talk, args, step, scope) => {
                    let outcome = self.converse(task, &talk, args, *step, *scope, manner).await?;
                    State::Made(self.settle(outcome))
                }
                Work::Send(step, args, finish) => {
                    let sent = self.dispatch(task, *step, manner, Guard::None).await?;
                    State::Waiting(Box::new(sent), args, finish)
                }
            };
            let mut landing = Landing { item: value, label, index, state };
            let mut result = self.land(task, &mut landing).await?;
            result.insert("attempts".into(), attempt.into());
            let view = self.settled_view(task, &landing, &result);
            let mut holds = if until.conditions.is_empty() { Ok(!is(&result, "failed")) } else { Ok(true) };
            for condition in &until.conditions {
                holds = template::truth(&view, condition);
                if holds != Ok(true) {
                    break;
                }
            }
            match holds {
                Ok(true) => {
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                Err(Error::Wrong(message)) if attempt > retries => {
                    result.extend(failed(&format!("the condition of `until` cannot be judged: {message}")));
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                _ if attempt > retries => {
                    result.insert("failed".into(), true.into());
                    result.entry("msg").or_insert_with(|| "the condition of `until` never held".into());
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                _ => {}
            }
            let title = self.title(task);
            (self.run.sink)(Event::Progress {
                host: self.name.to_owned(),
                task: title,
                message: format!("trying again, {} left", retries + 1 - attempt),
            });
            attempt += 1;
            tokio::time::sleep(Duration::from_secs(delay)).await;
        }
    }
}
