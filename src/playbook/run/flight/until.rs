//! A task that is tried until its conditions hold.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Landing, State,
    result::{failed, included_vars, is, skipped},
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
        template,
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
        let top = item.as_ref().zip(task.repeat.as_ref());
        let view = self.view(task, top.map(|((item, index), repeat)| Self::loop_layer(repeat, item, *index, None)));
        let number = |value: &Option<Value>, default: f64| {
            let value = value.as_ref().map(|value| template::value(&view, value));
            match value {
                Some(Ok(value)) => convert::text_of(&value).parse().unwrap_or(default),
                _ => default,
            }
        };
        let total = 1.0 + number(&until.retries, 3.0).max(0.0);
        let delay = number(&until.delay, 5.0);
        let delay = if delay < 0.0 { 1.0 } else { delay.min(86_400.0) };
        let index = item.as_ref().map_or(0, |(_, index)| *index);
        let mut attempt = 1_u32;
        loop {
            let round = loop {
                match self.round(task, item.clone(), None, manner) {
                    Ok(round) => break round,
                    Err(error) => {
                        if let Some(message) = self.meet(error).await? {
                            break Round {
                                item: item.as_ref().map(|(item, _)| item.clone()),
                                label: String::new(),
                                manner: manner.clone(),
                                work: Work::Fail(message),
                            };
                        }
                    }
                }
            };
            let Round { item: value, label, work, manner } = round;
            let manner = &manner;
            let delegate = manner.delegate.clone();
            let state = match work {
                Work::Skip(condition) => {
                    return Ok(Landing {
                        delegate,
                        extended: None,
                        item: value,
                        label,
                        index,
                        attempt: None,
                        state: State::Ready(skipped(&condition)),
                    });
                }
                Work::Fail(message) => State::Made(failed(&message)),
                Work::Vars(vars, files) => {
                    self.keep_included(&vars, &self.fact_hosts(task, manner));
                    State::Made(included_vars(vars, files))
                }
                Work::Include(_) => State::Made(failed("an include is not tried again")),
                Work::Done(outcome) => State::Made(self.settle(task, manner, outcome)),
                Work::Slow(act, args, scope) => {
                    let outcome = act(args, *scope).await;
                    State::Made(self.settle(task, manner, outcome))
                }
                Work::Talk(lead, args, step, scope) => {
                    let outcome = self.converse(task, &lead, args, *step, *scope, manner).await?;
                    State::Made(self.settle(task, manner, outcome))
                }
                Work::Send(step, args, finish) => {
                    self.dispatch(task, *step, (args, finish), manner, Guard::None).await?
                }
            };
            let attempt_now = Some(attempt);
            let mut landing =
                Landing { delegate, extended: None, item: value, label, index, attempt: attempt_now, state };
            let mut result = self.land(task, &mut landing).await?;
            if total < 2.0 {
                landing.state = State::Ready(result);
                return Ok(landing);
            }
            result.insert("attempts".into(), attempt.into());
            let holds = if until.conditions.is_empty() {
                Ok(!is(&result, "failed"))
            } else {
                self.holds(task, &landing, &result, &until.conditions).await?
            };
            let last = f64::from(attempt) >= total;
            match holds {
                Ok(true) => {
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                Err(message) => {
                    result.extend(failed(&format!("the condition of `until` cannot be judged: {message}")));
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                _ if last => {
                    result.insert("attempts".into(), (attempt - 1).into());
                    result.insert("failed".into(), true.into());
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                _ => {}
            }
            let title = self.title(task);
            (self.run.sink)(Event::Retry {
                host: self.name.to_owned(),
                order: self.at.clone(),
                id: task.id,
                task: title,
                left: (total - f64::from(attempt)).max(0.0),
                result: if manner.no_log { Map::new() } else { result },
            });
            attempt += 1;
            tokio::time::sleep(Duration::from_secs_f64(delay)).await;
        }
    }
}
