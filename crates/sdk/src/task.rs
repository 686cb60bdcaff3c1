//! Tasks: moving them along, looking at them, and watching a whole bag of them.
//!
//! Who may move a task is the hub's law: anyone initializes and claims, the workerpool's owner finalizes and reopens;
//! workers' verbs are in [`contribution`](crate::contribution).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use alloy_primitives::{Bytes, U256};
use protocol::abi::Hub;
use protocol::ids::{DealId, TaskId};
use protocol::result::ResultLink;
use protocol::task::{Task, TaskStatus};

use crate::chain::{Chain, ChainError, EventStream, Followed, HubEvent, Receipt, Sender};
use crate::deal::{self, DealError};

/// What went wrong with a task.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The chain did not do it.
    #[error("cannot {doing}")]
    Chain {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: ChainError,
    },
    /// The deal could not be looked at.
    #[error("cannot look at the tasks of a deal")]
    Deal {
        /// Why not.
        #[source]
        source: Box<DealError>,
    },
    /// The task was never initialized, or there is none of that id.
    #[error("task {task} is not on this chain: it is not initialized yet, or the id is wrong")]
    Unknown {
        /// The id.
        task: TaskId,
    },
    /// The hub gave a status this version does not know.
    #[error("cannot read task {task}")]
    Unreadable {
        /// The id.
        task: TaskId,
        /// What is wrong.
        #[source]
        source: protocol::task::UnknownStatus,
    },
}

fn chain_error(doing: impl fmt::Display) -> impl FnOnce(ChainError) -> TaskError {
    let doing = doing.to_string();
    move |source| TaskError::Chain { doing, source }
}

impl TaskError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Chain { source, .. } => source.is_transient(),
            Self::Deal { source } => source.is_transient(),
            Self::Unknown { .. } | Self::Unreadable { .. } => false,
        }
    }
}

/// Looks at a task; one that is not initialized has status [`TaskStatus::Unset`] and is empty.
pub async fn view(chain: &Chain, task: TaskId) -> Result<Task, TaskError> {
    let viewed = chain
        .hub(Hub::viewTaskCall { taskid: task.0 })
        .await
        .map_err(chain_error(format_args!("look at task {task}")))?;
    Task::try_from(viewed).map_err(|source| TaskError::Unreadable { task, source })
}

/// Looks at a task that must be there.
pub async fn known(chain: &Chain, task: TaskId) -> Result<Task, TaskError> {
    let viewed = view(chain, task).await?;
    if viewed.status == TaskStatus::Unset {
        Err(TaskError::Unknown { task })
    } else {
        Ok(viewed)
    }
}

/// Looks at many tasks at once; the answers are in the order of the ids.
pub async fn view_many(chain: &Chain, tasks: &[TaskId]) -> Result<Vec<Task>, TaskError> {
    let calls = tasks
        .iter()
        .map(|task| Hub::viewTaskCall { taskid: task.0 })
        .collect();
    let doing = format!("look at {} tasks", tasks.len());
    let viewed = chain.hub_many(calls).await.map_err(chain_error(doing))?;
    let read = |(task, viewed): (&TaskId, Hub::Task)| {
        Task::try_from(viewed).map_err(|source| TaskError::Unreadable {
            task: *task,
            source,
        })
    };
    tasks.iter().zip(viewed).map(read).collect()
}

/// Starts a task of a deal.
pub async fn initialize(
    sender: &Sender,
    deal: DealId,
    index: u64,
) -> Result<(TaskId, Receipt), TaskError> {
    let call = Hub::initializeCall {
        dealid: deal.0,
        idx: U256::from(index),
    };
    let doing = format!("initialize task {index} of deal {deal}");
    let receipt = sender.hub(call).await.map_err(chain_error(doing))?;
    Ok((TaskId::derive(deal, U256::from(index)), receipt))
}

/// Ends a task as its scheduler: names where the result lies, and hands `callback` to the requester's contract where
/// the deal has one.
pub async fn finalize(
    sender: &Sender,
    task: TaskId,
    link: &ResultLink,
    callback: Bytes,
) -> Result<Receipt, TaskError> {
    finalize_with(sender, task, link.to_bytes(), callback).await
}

/// The same, with any bytes as `results`.
pub async fn finalize_with(
    sender: &Sender,
    task: TaskId,
    results: Bytes,
    callback: Bytes,
) -> Result<Receipt, TaskError> {
    let call = Hub::finalizeCall {
        taskid: task.0,
        results,
        resultsCallback: callback,
    };
    sender
        .hub(call)
        .await
        .map_err(chain_error(format_args!("finalize task {task}")))
}

/// Takes a task back to contributions, as its scheduler, when nobody of the consensus revealed in time.
pub async fn reopen(sender: &Sender, task: TaskId) -> Result<Receipt, TaskError> {
    let call = Hub::reopenCall { taskid: task.0 };
    sender
        .hub(call)
        .await
        .map_err(chain_error(format_args!("reopen task {task}")))
}

/// Ends a task that nobody finished in time, and gives the money back.
pub async fn claim(sender: &Sender, task: TaskId) -> Result<Receipt, TaskError> {
    let call = Hub::claimCall { taskid: task.0 };
    sender
        .hub(call)
        .await
        .map_err(chain_error(format_args!("claim task {task}")))
}

/// One task of a watched deal, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Which.
    pub id: TaskId,
    /// Its index within the request order.
    pub index: u64,
    /// What the chain says of it.
    pub task: Task,
}

impl TaskState {
    /// Where it stands, in words for people.
    #[must_use]
    pub fn words(&self) -> String {
        let task = &self.task;
        match task.status {
            TaskStatus::Unset => "waiting to be started".to_owned(),
            TaskStatus::Active => match task.contributors.len() {
                0 => "waiting for contributions".to_owned(),
                1 => "1 contribution".to_owned(),
                some => format!("{some} contributions"),
            },
            TaskStatus::Revealing => format!(
                "{} of {} winners revealed",
                task.reveal_counter, task.winner_counter
            ),
            TaskStatus::Completed => "completed".to_owned(),
            TaskStatus::Failed => "failed, money refunded".to_owned(),
        }
    }
}

/// Watches the tasks of a deal: first each as it is, then each change.
///
/// What is told is always the chain's state at the time of asking, so that a missed event or a reorganisation only
/// means that a state is told late or again.
pub async fn watch(chain: &Chain, deal: DealId) -> Result<TaskWatch, TaskError> {
    let ids: Vec<(u64, TaskId)> =
        deal::tasks(chain, deal)
            .await
            .map_err(|source| TaskError::Deal {
                source: Box::new(source),
            })?;
    // Followed from before the first look, so that nothing falls between the two.
    let from = chain
        .block()
        .await
        .map_err(chain_error("ask for the newest block"))?
        .number
        + 1;
    let events = chain.follow(from);
    let first: Vec<TaskId> = ids.iter().map(|(_, id)| *id).collect();
    let mut watch = TaskWatch {
        chain: chain.clone(),
        events,
        indices: ids.into_iter().map(|(index, id)| (id, index)).collect(),
        last: BTreeMap::new(),
        untold: VecDeque::new(),
        to_look_at: Vec::new(),
    };
    watch.look_at(&first).await?;
    Ok(watch)
}

/// A stream of the states of a deal's tasks.
#[derive(Debug)]
pub struct TaskWatch {
    chain: Chain,
    events: EventStream,
    indices: BTreeMap<TaskId, u64>,
    last: BTreeMap<TaskId, Task>,
    untold: VecDeque<TaskState>,
    /// Tasks that may have changed and have not been looked at yet.
    to_look_at: Vec<TaskId>,
}

impl TaskWatch {
    /// The next state of some task; `None` once every task is over and told. Waits while the node is away.
    pub async fn next(&mut self) -> Option<TaskState> {
        loop {
            if let Some(state) = self.untold.pop_front() {
                return Some(state);
            }
            if self.is_over() && self.to_look_at.is_empty() {
                return None;
            }
            if self.to_look_at.is_empty() {
                self.to_look_at = match self.events.next().await {
                    Followed::Blocks { events, .. } => self.touched_by(&events),
                    Followed::Reorganised { .. } => self.indices.keys().copied().collect(),
                };
            }
            let tasks = self.to_look_at.clone();
            match self.look_at(&tasks).await {
                Ok(()) => self.to_look_at.clear(),
                Err(error) => {
                    tracing::warn!(%error, "cannot look at tasks for now");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// As a stream that ends when every task is over.
    pub fn into_stream(self) -> impl futures::Stream<Item = TaskState> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let state = watch.next().await?;
            Some((state, watch))
        })
    }

    /// Every task's last known state, by index.
    #[must_use]
    pub fn states(&self) -> Vec<TaskState> {
        let mut states: Vec<TaskState> = self
            .last
            .iter()
            .map(|(id, task)| TaskState {
                id: *id,
                index: self.indices[id],
                task: task.clone(),
            })
            .collect();
        states.sort_by_key(|state| state.index);
        states
    }

    fn is_over(&self) -> bool {
        self.last.len() == self.indices.len()
            && self.last.values().all(|task| task.status.is_over())
    }

    fn touched_by(&self, events: &[HubEvent]) -> Vec<TaskId> {
        let mut touched: Vec<TaskId> = events
            .iter()
            .filter_map(|event| task_of(&event.event))
            .filter(|task| self.indices.contains_key(task))
            .collect();
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    async fn look_at(&mut self, ids: &[TaskId]) -> Result<(), TaskError> {
        let tasks = view_many(&self.chain, ids).await?;
        for (id, task) in ids.iter().zip(tasks) {
            if self.last.get(id) != Some(&task) {
                self.last.insert(*id, task.clone());
                self.untold.push_back(TaskState {
                    id: *id,
                    index: self.indices[id],
                    task,
                });
            }
        }
        Ok(())
    }
}

/// Which task an event of the hub is about, if it is about one.
#[must_use]
pub fn task_of(event: &Hub::HubEvents) -> Option<TaskId> {
    use Hub::HubEvents as Event;
    let task = match event {
        Event::TaskInitialize(event) => event.taskid,
        Event::TaskContribute(event) => event.taskid,
        Event::TaskConsensus(event) => event.taskid,
        Event::TaskReveal(event) => event.taskid,
        Event::TaskReopen(event) => event.taskid,
        Event::TaskFinalize(event) => event.taskid,
        Event::TaskClaimed(event) => event.taskid,
        Event::AccurateContribution(event) => event.taskid,
        Event::FaultyContribution(event) => event.taskid,
        _ => return None,
    };
    Some(TaskId(task))
}
