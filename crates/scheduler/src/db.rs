//! The scheduler's memory on disk: the only place with SQL.
//!
//! Written behind: what changed on the board is written in one transaction as often as the disk allows, always as it
//! stood at one moment and together with the block it stood at. A process killed in between starts from an earlier
//! moment and reads the same blocks again. Only pins and results are written before anything relies on them: a deal's
//! inputs may be served differently the next time they are asked for, and a worker whose bytes were taken goes on to
//! end its task. These two are on the disk itself (`synchronous = FULL`, on a connection of their own) before anybody
//! hears of them; all else would only be read again.

use std::collections::HashMap;
use std::path::Path;

use alloy_primitives::{Address, B256, Bytes};
use protocol::{DealId, TaskId};
use sdk::wire::pool::{PinnedBlob, PinnedInput, TaskFailure};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection as _, Row, Sqlite, SqlitePool, Transaction};

use crate::board::{DealEntry, Pinning, Pins, Snapshot};
use crate::task::{Replica, ReplicaState, Stage, Task, TaskResult};

#[derive(Debug, Clone)]
pub(crate) struct Db {
    pool: SqlitePool,
    /// What is committed here survives a power cut.
    durable: SqlitePool,
}

/// Whose memory this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) chain_id: u64,
    pub(crate) hub: Address,
    pub(crate) workerpool: Address,
}

/// A deal as far as it cannot be read from the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredDeal {
    pub(crate) id: DealId,
    pub(crate) block: u64,
    pub(crate) next_index: u64,
    pub(crate) end_index: u64,
    pub(crate) completed: u64,
    pub(crate) claimed: u64,
    pub(crate) pins: Pinning,
}

/// What of the past is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// All of what was closed from this block on: a reorganisation may open it again.
    pub(crate) since_block: u64,
    /// Results of tasks completed since then.
    pub(crate) since_secs: u64,
}

/// Of results, those whose digest won; all of them while that may change.
macro_rules! needed {
    () => {
        "SELECT pins.cid AS cid FROM pins LEFT JOIN deals ON deals.id = pins.deal \
         WHERE deals.id IS NULL OR deals.open = 1 \
         OR pins.deal IN (SELECT deal FROM tasks WHERE closed_block >= ?1) \
         UNION SELECT results.cid AS cid FROM results LEFT JOIN tasks ON tasks.id = results.task \
         WHERE tasks.id IS NULL OR tasks.closed_block IS NULL OR tasks.closed_block >= ?1 \
         OR (tasks.stage = 'completed' AND tasks.since_secs >= ?2 AND EXISTS \
         (SELECT 1 FROM replicas WHERE replicas.task = tasks.id AND replicas.digest = results.digest))"
    };
}

impl Db {
    pub(crate) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Enough against a killed process; after a power cut the last moments are read from the chain again.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(false);
        // A full disk makes SQLite undo a transaction by itself, of which sqlx does not know: such a connection would
        // never come out of its transactions again, and hold the lock on the database for ever. It is closed instead.
        let pool_options = SqlitePoolOptions::new().after_release(|connection, _| {
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        });
        let pool = pool_options
            .clone()
            .max_connections(4)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        let durable = pool_options
            .max_connections(1)
            .connect_with(options.synchronous(SqliteSynchronous::Full))
            .await?;
        Ok(Self { pool, durable })
    }

    pub(crate) async fn close(&self) {
        self.durable.close().await;
        self.pool.close().await;
    }

    /// The next block to be read, if this is the memory of `identity`. That of another pool or chain is thrown away:
    /// nothing in it would be true.
    pub(crate) async fn next_block(&self, identity: Identity) -> Result<Option<u64>, sqlx::Error> {
        let row = sqlx::query("SELECT chain_id, hub, workerpool, next_block FROM pool")
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let found = Identity {
            chain_id: number(&row, "chain_id")?,
            hub: address(&row, "hub")?,
            workerpool: address(&row, "workerpool")?,
        };
        if found == identity {
            return number(&row, "next_block").map(Some);
        }
        tracing::warn!(?found, expected = ?identity, "the database is about another pool or chain and is started afresh");
        Ok(None)
    }

    /// Forgets everything and begins at `next_block`.
    pub(crate) async fn begin(
        &self,
        identity: Identity,
        next_block: u64,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for statement in [
            "DELETE FROM pool",
            "DELETE FROM deals",
            "DELETE FROM pins",
            "DELETE FROM tasks",
            "DELETE FROM replicas",
            "DELETE FROM results",
        ] {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        sqlx::query("INSERT INTO pool (only_row, chain_id, hub, workerpool, next_block) VALUES (1, ?, ?, ?, ?)")
            .bind(signed(identity.chain_id))
            .bind(identity.hub.to_vec())
            .bind(identity.workerpool.to_vec())
            .bind(signed(next_block))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Writes what changed, as of one moment.
    pub(crate) async fn write(&self, snapshot: &Snapshot) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for deal in &snapshot.deals {
            write_deal(&mut transaction, deal).await?;
        }
        for (task, closed_block) in &snapshot.tasks {
            write_task(&mut transaction, task, *closed_block).await?;
        }
        if let Some(block) = snapshot.next_block {
            sqlx::query("UPDATE pool SET next_block = ?")
                .bind(signed(block))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// Writes a deal's pins, before anybody is told of them.
    pub(crate) async fn write_pins(&self, deal: DealId, pins: &Pins) -> Result<(), sqlx::Error> {
        let mut transaction = self.durable.begin().await?;
        let inputs = pins
            .inputs
            .iter()
            .map(|input| (input.url.as_str(), &input.blob));
        for (place, (url, blob)) in std::iter::once(("", &pins.app)).chain(inputs).enumerate() {
            sqlx::query("INSERT OR REPLACE INTO pins (deal, place, url, cid, length, sha256) VALUES (?, ?, ?, ?, ?, ?)")
                .bind(deal.0.to_vec())
                .bind(signed(place as u64))
                .bind(url)
                .bind(&blob.cid)
                .bind(signed(blob.length))
                .bind(blob.sha256.to_vec())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// Writes down where a task's bytes lie, before their worker is told that they are taken. Gives those it stands for
    /// from now on: where bytes of the same digest were there before, those.
    pub(crate) async fn write_result(
        &self,
        task: TaskId,
        result: &TaskResult,
    ) -> Result<TaskResult, sqlx::Error> {
        let mut transaction = self.durable.begin().await?;
        write_result(&mut transaction, task, result).await?;
        let row = sqlx::query("SELECT * FROM results WHERE task = ? AND digest = ?")
            .bind(task.0.to_vec())
            .bind(result.digest.to_vec())
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        result_of(&row)
    }

    /// Forgets bytes that came too late to be anybody's; another worker's stay.
    pub(crate) async fn forget_result(
        &self,
        task: TaskId,
        result: &TaskResult,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM results WHERE task = ? AND digest = ? AND worker = ?")
            .bind(task.0.to_vec())
            .bind(result.digest.to_vec())
            .bind(result.worker.to_vec())
            .execute(&self.durable)
            .await?;
        Ok(())
    }

    /// Content addresses of what open deals need, also those that a reorganisation may open again, and of results.
    pub(crate) async fn needed_blobs(&self, kept: Kept) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query(needed!())
            .bind(signed(kept.since_block))
            .bind(signed(kept.since_secs))
            .fetch_all(&self.pool)
            .await?
            .iter()
            .map(|row| row.try_get("cid"))
            .collect()
    }

    /// Whether it is one of [`Db::needed_blobs`].
    pub(crate) async fn needs_blob(&self, cid: &str, kept: Kept) -> Result<bool, sqlx::Error> {
        let found = sqlx::query(concat!("SELECT 1 FROM (", needed!(), ") WHERE cid = ?3"))
            .bind(signed(kept.since_block))
            .bind(signed(kept.since_secs))
            .bind(cid)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// Forgets results whose bytes are about to go.
    pub(crate) async fn forget_bytes(&self, cid: &str) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM results WHERE cid = ?")
            .bind(cid)
            .execute(&self.durable)
            .await?;
        Ok(())
    }

    /// Removes a deal that never was: its blocks are gone.
    pub(crate) async fn forget_deal(&self, deal: DealId) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for statement in [
            "DELETE FROM replicas WHERE task IN (SELECT id FROM tasks WHERE deal = ?)",
            "DELETE FROM results WHERE task IN (SELECT id FROM tasks WHERE deal = ?)",
            "DELETE FROM tasks WHERE deal = ?",
            "DELETE FROM pins WHERE deal = ?",
            "DELETE FROM deals WHERE id = ?",
        ] {
            sqlx::query(statement)
                .bind(deal.0.to_vec())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    pub(crate) async fn deal(&self, deal: DealId) -> Result<Option<StoredDeal>, sqlx::Error> {
        let row = sqlx::query("SELECT * FROM deals WHERE id = ?")
            .bind(deal.0.to_vec())
            .fetch_optional(&self.pool)
            .await?;
        match row {
            Some(row) => self.deal_of(&row).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn open_deals(&self) -> Result<Vec<StoredDeal>, sqlx::Error> {
        let mut pins: HashMap<DealId, Vec<PinnedInput>> = HashMap::new();
        let rows = sqlx::query(
            "SELECT pins.* FROM pins JOIN deals ON deals.id = pins.deal WHERE deals.open = 1 \
             ORDER BY pins.deal, pins.place",
        )
        .fetch_all(&self.pool)
        .await?;
        for row in &rows {
            pins.entry(DealId(hash(row, "deal")?))
                .or_default()
                .push(pinned_input(row)?);
        }
        let rows = sqlx::query("SELECT * FROM deals WHERE open = 1")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let id = DealId(hash(row, "id")?);
                stored_deal(row, pins.remove(&id).unwrap_or_default())
            })
            .collect()
    }

    async fn deal_of(&self, row: &SqliteRow) -> Result<StoredDeal, sqlx::Error> {
        let rows = sqlx::query("SELECT * FROM pins WHERE deal = ? ORDER BY place")
            .bind(hash(row, "id")?.to_vec())
            .fetch_all(&self.pool)
            .await?;
        let pins: Result<Vec<PinnedInput>, sqlx::Error> = rows.iter().map(pinned_input).collect();
        stored_deal(row, pins?)
    }

    pub(crate) async fn task(&self, task: TaskId) -> Result<Option<Task>, sqlx::Error> {
        let id = task.0.to_vec();
        let all = |sql: &'static str| sqlx::query(sql).bind(id.clone()).fetch_all(&self.pool);
        let tasks = all("SELECT * FROM tasks WHERE id = ?").await?;
        let replicas = all("SELECT * FROM replicas WHERE task = ? ORDER BY task, place").await?;
        let results = all("SELECT * FROM results WHERE task = ?").await?;
        Ok(tasks_of(&tasks, &replicas, &results)?.pop())
    }

    /// Three questions, however many there are.
    pub(crate) async fn open_tasks(&self) -> Result<Vec<Task>, sqlx::Error> {
        let all = |sql: &'static str| sqlx::query(sql).fetch_all(&self.pool);
        let tasks =
            all("SELECT * FROM tasks WHERE stage IN ('unset', 'active', 'revealing')").await?;
        let replicas = all(
            "SELECT replicas.* FROM tasks CROSS JOIN replicas ON replicas.task = tasks.id \
             WHERE tasks.stage IN ('unset', 'active', 'revealing') ORDER BY replicas.task, replicas.place",
        )
        .await?;
        let results = all(
            "SELECT results.* FROM tasks CROSS JOIN results ON results.task = tasks.id \
             WHERE tasks.stage IN ('unset', 'active', 'revealing')",
        )
        .await?;
        tasks_of(&tasks, &replicas, &results)
    }

    /// Tasks closed in or after this block: those a reorganisation may open again. Each with that block.
    pub(crate) async fn tasks_closed_since(
        &self,
        block: u64,
    ) -> Result<Vec<(Task, u64)>, sqlx::Error> {
        let all = |sql: &'static str| sqlx::query(sql).bind(signed(block)).fetch_all(&self.pool);
        let tasks = all("SELECT * FROM tasks WHERE closed_block >= ?").await?;
        let replicas = all(
            "SELECT replicas.* FROM tasks CROSS JOIN replicas ON replicas.task = tasks.id \
             WHERE tasks.closed_block >= ? ORDER BY replicas.task, replicas.place",
        )
        .await?;
        let results = all(
            "SELECT results.* FROM tasks CROSS JOIN results ON results.task = tasks.id \
             WHERE tasks.closed_block >= ?",
        )
        .await?;
        let blocks = tasks.iter().map(|row| number(row, "closed_block"));
        let blocks: Result<Vec<u64>, sqlx::Error> = blocks.collect();
        let tasks = tasks_of(&tasks, &replicas, &results)?;
        Ok(tasks.into_iter().zip(blocks?).collect())
    }
}

/// Puts tasks together with their replicas, which come in order, and their results.
fn tasks_of(
    tasks: &[SqliteRow],
    replicas: &[SqliteRow],
    results: &[SqliteRow],
) -> Result<Vec<Task>, sqlx::Error> {
    let mut replicas_of: HashMap<B256, Vec<Replica>> = HashMap::new();
    for row in replicas {
        replicas_of
            .entry(hash(row, "task")?)
            .or_default()
            .push(replica_of(row)?);
    }
    let mut results_of: HashMap<B256, Vec<TaskResult>> = HashMap::new();
    for row in results {
        results_of
            .entry(hash(row, "task")?)
            .or_default()
            .push(result_of(row)?);
    }
    tasks
        .iter()
        .map(|row| {
            let mut task = task_of(row)?;
            task.replicas = replicas_of.remove(&task.id.0).unwrap_or_default();
            task.results = results_of.remove(&task.id.0).unwrap_or_default();
            Ok(task)
        })
        .collect()
}

fn stored_deal(row: &SqliteRow, pins: Vec<PinnedInput>) -> Result<StoredDeal, sqlx::Error> {
    let failure: Option<String> = row.try_get("failure")?;
    let mut pins = pins.into_iter();
    let pins = match (failure, pins.next()) {
        (Some(reason), _) => Pinning::Failed(reason),
        (None, Some(app)) => Pinning::Done(Pins {
            app: app.blob,
            inputs: pins.collect(),
        }),
        (None, None) => Pinning::Wanted,
    };
    Ok(StoredDeal {
        id: DealId(hash(row, "id")?),
        block: number(row, "block")?,
        next_index: number(row, "next_index")?,
        end_index: number(row, "end_index")?,
        completed: number(row, "completed")?,
        claimed: number(row, "claimed")?,
        pins,
    })
}

fn pinned_input(row: &SqliteRow) -> Result<PinnedInput, sqlx::Error> {
    Ok(PinnedInput {
        url: row.try_get("url")?,
        blob: blob(row)?,
    })
}

type Writing<'a> = Transaction<'a, Sqlite>;

async fn write_deal(transaction: &mut Writing<'_>, deal: &DealEntry) -> Result<(), sqlx::Error> {
    let failure = match &deal.pins {
        Pinning::Failed(reason) => Some(reason.as_str()),
        Pinning::Wanted | Pinning::UnderWay | Pinning::Done(_) => None,
    };
    sqlx::query(
        "INSERT OR REPLACE INTO deals (id, block, next_index, end_index, completed, claimed, failure, open) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(deal.id.0.to_vec())
    .bind(signed(deal.block))
    .bind(signed(deal.next_index))
    .bind(signed(deal.end_index))
    .bind(signed(deal.completed))
    .bind(signed(deal.claimed))
    .bind(failure)
    .bind(i64::from(!deal.is_closed()))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn write_task(
    transaction: &mut Writing<'_>,
    task: &Task,
    closed_block: Option<u64>,
) -> Result<(), sqlx::Error> {
    let (stage, consensus, deadline_secs) = match task.stage {
        Stage::Unset => ("unset", None, None),
        Stage::Active => ("active", None, None),
        Stage::Revealing {
            consensus,
            deadline_secs,
        } => ("revealing", Some(consensus.to_vec()), Some(deadline_secs)),
        Stage::Completed => ("completed", None, None),
        Stage::Claimed => ("claimed", None, None),
    };
    sqlx::query(
        "INSERT OR REPLACE INTO tasks (id, deal, position, stage, consensus, deadline_secs, given_up, closed_block, since_secs) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(task.id.0.to_vec())
    .bind(task.deal.0.to_vec())
    .bind(signed(task.index))
    .bind(stage)
    .bind(consensus)
    .bind(deadline_secs.map(signed))
    .bind(&task.given_up)
    .bind(closed_block.map(signed))
    .bind(signed(task.since_secs))
    .execute(&mut **transaction)
    .await?;
    for (place, replica) in task.replicas.iter().enumerate() {
        write_replica(transaction, task.id, place, replica).await?;
    }
    for result in &task.results {
        write_result(transaction, task.id, result).await?;
    }
    Ok(())
}

async fn write_replica(
    transaction: &mut Writing<'_>,
    task: TaskId,
    place: usize,
    replica: &Replica,
) -> Result<(), sqlx::Error> {
    let (hash, digest, failure) = match &replica.state {
        ReplicaState::Contributed { hash } => (Some(*hash), None, None),
        ReplicaState::Revealed { hash, digest } => (Some(*hash), Some(*digest), None),
        ReplicaState::Failed(failure) => (None, None, Some(json(failure))),
        ReplicaState::Declined { reason } => (None, None, Some(reason.clone())),
        ReplicaState::Assigned
        | ReplicaState::Computing
        | ReplicaState::Rejected
        | ReplicaState::Lost
        | ReplicaState::Abandoned => (None, None, None),
    };
    sqlx::query(
        "INSERT OR REPLACE INTO replicas (task, place, worker, state, since_secs, uploads_asked, hash, digest, failure) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(task.0.to_vec())
    .bind(signed(place as u64))
    .bind(replica.worker.to_vec())
    .bind(replica.state.word())
    .bind(signed(replica.since_secs))
    .bind(i64::from(replica.uploads_asked))
    .bind(hash.map(|hash| hash.to_vec()))
    .bind(digest.map(|digest| digest.to_vec()))
    .bind(failure)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn write_result(
    transaction: &mut Writing<'_>,
    task: TaskId,
    result: &TaskResult,
) -> Result<(), sqlx::Error> {
    // Of each digest the first that came stay.
    sqlx::query("INSERT OR IGNORE INTO results (task, worker, cid, length, sha256, callback, digest) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(task.0.to_vec())
        .bind(result.worker.to_vec())
        .bind(&result.blob.cid)
        .bind(signed(result.blob.length))
        .bind(result.blob.sha256.to_vec())
        .bind(result.callback.as_ref().map(|bytes| bytes.to_vec()))
        .bind(result.digest.to_vec())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn task_of(row: &SqliteRow) -> Result<Task, sqlx::Error> {
    let mut task = Task::new(
        TaskId(hash(row, "id")?),
        DealId(hash(row, "deal")?),
        number(row, "position")?,
    );
    task.given_up = row.try_get("given_up")?;
    task.since_secs = number(row, "since_secs")?;
    let stage: String = row.try_get("stage")?;
    task.stage = match stage.as_str() {
        "unset" => Stage::Unset,
        "active" => Stage::Active,
        "revealing" => Stage::Revealing {
            consensus: hash(row, "consensus")?,
            deadline_secs: number(row, "deadline_secs")?,
        },
        "completed" => Stage::Completed,
        "claimed" => Stage::Claimed,
        other => return Err(unreadable("stage", other)),
    };
    Ok(task)
}

fn replica_of(row: &SqliteRow) -> Result<Replica, sqlx::Error> {
    let text = || {
        row.try_get::<Option<String>, _>("failure")
            .map(Option::unwrap_or_default)
    };
    let state: String = row.try_get("state")?;
    let state = match state.as_str() {
        "assigned" => ReplicaState::Assigned,
        "computing" => ReplicaState::Computing,
        "contributed" => ReplicaState::Contributed {
            hash: hash(row, "hash")?,
        },
        "revealed" => ReplicaState::Revealed {
            hash: hash(row, "hash")?,
            digest: hash(row, "digest")?,
        },
        "rejected" => ReplicaState::Rejected,
        "failed" => ReplicaState::Failed(failure(&text()?)?),
        "lost" => ReplicaState::Lost,
        "declined" => ReplicaState::Declined { reason: text()? },
        "abandoned" => ReplicaState::Abandoned,
        other => return Err(unreadable("state", other)),
    };
    Ok(Replica {
        worker: address(row, "worker")?,
        state,
        since_secs: number(row, "since_secs")?,
        uploads_asked: u32::try_from(number(row, "uploads_asked")?).unwrap_or(u32::MAX),
        upload_asked_secs: 0,
    })
}

fn result_of(row: &SqliteRow) -> Result<TaskResult, sqlx::Error> {
    let callback: Option<Vec<u8>> = row.try_get("callback")?;
    Ok(TaskResult {
        worker: address(row, "worker")?,
        digest: hash(row, "digest")?,
        blob: blob(row)?,
        callback: callback.map(Bytes::from),
    })
}

fn blob(row: &SqliteRow) -> Result<PinnedBlob, sqlx::Error> {
    Ok(PinnedBlob {
        cid: row.try_get("cid")?,
        length: number(row, "length")?,
        sha256: hash(row, "sha256")?,
    })
}

fn json(failure: &TaskFailure) -> String {
    serde_json::to_string(failure).unwrap_or_default()
}

fn failure(text: &str) -> Result<TaskFailure, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// SQLite's numbers are signed; ours stay far below the difference.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn hash(row: &SqliteRow, column: &str) -> Result<B256, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    B256::try_from(bytes.as_slice()).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn address(row: &SqliteRow, column: &str) -> Result<Address, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    Address::try_from(bytes.as_slice()).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn unreadable(column: &'static str, found: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{found:?} is no {column} this version knows").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Pins {
        let app = PinnedBlob {
            cid: "bafkrei".to_owned(),
            length: 7,
            sha256: B256::repeat_byte(1),
        };
        let inputs = (0..400)
            .map(|number| PinnedInput {
                url: format!("http://somewhere.example/{number}"),
                blob: app.clone(),
            })
            .collect();
        Pins { app, inputs }
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_write_keeps_what_was_there_and_goes_on_when_there_is_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&folder.path().join("pool.sqlite"))
            .await
            .expect("opened");
        let deal = DealId(B256::repeat_byte(3));
        // No page more than there are: to SQLite the same as a disk that is full.
        let pages: i64 = sqlx::query("PRAGMA page_count")
            .fetch_one(&db.durable)
            .await
            .expect("asked")
            .get(0);
        assert!(pages < 50, "{pages}");
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&db.durable)
            .await
            .expect("limited");
        let error = db.write_pins(deal, &pins()).await.expect_err("full");
        assert!(error.to_string().contains("full"), "{error}");
        let rows: i64 = sqlx::query("SELECT count(*) FROM pins")
            .fetch_one(&db.pool)
            .await
            .expect("asked")
            .get(0);
        assert_eq!(rows, 0, "all or nothing");
        sqlx::query("PRAGMA max_page_count = 100000")
            .execute(&db.durable)
            .await
            .expect("room");
        db.write_pins(deal, &pins()).await.expect("there is room");
    }

    #[tokio::test]
    async fn pins_and_results_are_on_the_disk_itself_before_anybody_hears_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&folder.path().join("pool.sqlite"))
            .await
            .expect("opened");
        let level = async |pool: &SqlitePool| -> i64 {
            sqlx::query("PRAGMA synchronous")
                .fetch_one(pool)
                .await
                .expect("asked")
                .get(0)
        };
        assert_eq!((level(&db.durable).await, level(&db.pool).await), (2, 1));
    }
}
