//! The scheduler's memory on disk: the only place with SQL.
//!
//! Written behind: what changed on the board is written in one transaction as often as the disk allows, always as it
//! stood at one moment and together with the block it stood at. A process killed in between starts from an earlier
//! moment and reads the same blocks again. Only pins are written before anything relies on them, since a deal's
//! inputs may be served differently the next time they are asked for.

use std::path::Path;

use alloy_primitives::{Address, B256, Bytes};
use protocol::{DealId, TaskId};
use sdk::wire::pool::{PinnedBlob, PinnedInput, TaskFailure};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, Sqlite, SqlitePool, Transaction};

use crate::board::{DealEntry, Pinning, Pins, Snapshot};
use crate::task::{Replica, ReplicaState, Stage, Task, TaskResult};

#[derive(Debug, Clone)]
pub(crate) struct Db {
    pool: SqlitePool,
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

impl Db {
    pub(crate) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Enough against a killed process; after a power cut the last moments are read from the chain again.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(false);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self { pool })
    }

    pub(crate) async fn close(&self) {
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
        let mut transaction = self.pool.begin().await?;
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
        let rows = sqlx::query("SELECT * FROM deals WHERE open = 1")
            .fetch_all(&self.pool)
            .await?;
        let mut deals = Vec::with_capacity(rows.len());
        for row in &rows {
            deals.push(self.deal_of(row).await?);
        }
        Ok(deals)
    }

    async fn deal_of(&self, row: &SqliteRow) -> Result<StoredDeal, sqlx::Error> {
        let id = DealId(hash(row, "id")?);
        let failure: Option<String> = row.try_get("failure")?;
        let pins = match failure {
            Some(reason) => Pinning::Failed(reason),
            None => self.pins(id).await?.map_or(Pinning::Wanted, Pinning::Done),
        };
        Ok(StoredDeal {
            id,
            block: number(row, "block")?,
            next_index: number(row, "next_index")?,
            end_index: number(row, "end_index")?,
            completed: number(row, "completed")?,
            claimed: number(row, "claimed")?,
            pins,
        })
    }

    async fn pins(&self, deal: DealId) -> Result<Option<Pins>, sqlx::Error> {
        let rows = sqlx::query("SELECT * FROM pins WHERE deal = ? ORDER BY place")
            .bind(deal.0.to_vec())
            .fetch_all(&self.pool)
            .await?;
        let mut blobs = Vec::with_capacity(rows.len());
        for row in &rows {
            blobs.push(PinnedInput {
                url: row.try_get("url")?,
                blob: blob(row)?,
            });
        }
        let mut blobs = blobs.into_iter();
        Ok(blobs.next().map(|app| Pins {
            app: app.blob,
            inputs: blobs.collect(),
        }))
    }

    pub(crate) async fn task(&self, task: TaskId) -> Result<Option<Task>, sqlx::Error> {
        let row = sqlx::query("SELECT * FROM tasks WHERE id = ?")
            .bind(task.0.to_vec())
            .fetch_optional(&self.pool)
            .await?;
        match row {
            Some(row) => Ok(self.tasks_of(vec![row]).await?.pop()),
            None => Ok(None),
        }
    }

    pub(crate) async fn open_tasks(&self) -> Result<Vec<Task>, sqlx::Error> {
        let rows =
            sqlx::query("SELECT * FROM tasks WHERE stage IN ('unset', 'active', 'revealing')")
                .fetch_all(&self.pool)
                .await?;
        self.tasks_of(rows).await
    }

    /// Tasks closed in or after this block: those a reorganisation may open again.
    pub(crate) async fn tasks_closed_since(&self, block: u64) -> Result<Vec<Task>, sqlx::Error> {
        let rows = sqlx::query("SELECT * FROM tasks WHERE closed_block >= ?")
            .bind(signed(block))
            .fetch_all(&self.pool)
            .await?;
        self.tasks_of(rows).await
    }

    async fn tasks_of(&self, rows: Vec<SqliteRow>) -> Result<Vec<Task>, sqlx::Error> {
        let mut tasks = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut task = task_of(row)?;
            let replicas = sqlx::query("SELECT * FROM replicas WHERE task = ? ORDER BY place")
                .bind(task.id.0.to_vec())
                .fetch_all(&self.pool)
                .await?;
            task.replicas = replicas.iter().map(replica_of).collect::<Result<_, _>>()?;
            let result = sqlx::query("SELECT * FROM results WHERE task = ?")
                .bind(task.id.0.to_vec())
                .fetch_optional(&self.pool)
                .await?;
            task.result = result.as_ref().map(result_of).transpose()?;
            tasks.push(task);
        }
        Ok(tasks)
    }
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
        "INSERT OR REPLACE INTO tasks (id, deal, position, stage, consensus, deadline_secs, given_up, closed_block) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(task.id.0.to_vec())
    .bind(task.deal.0.to_vec())
    .bind(signed(task.index))
    .bind(stage)
    .bind(consensus)
    .bind(deadline_secs.map(signed))
    .bind(&task.given_up)
    .bind(closed_block.map(signed))
    .execute(&mut **transaction)
    .await?;
    for (place, replica) in task.replicas.iter().enumerate() {
        write_replica(transaction, task.id, place, replica).await?;
    }
    match &task.result {
        Some(result) => write_result(transaction, task.id, result).await,
        // Reopened: the result it may have had is void.
        None if task.stage == Stage::Active => {
            sqlx::query("DELETE FROM results WHERE task = ?")
                .bind(task.id.0.to_vec())
                .execute(&mut **transaction)
                .await?;
            Ok(())
        }
        None => Ok(()),
    }
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
    sqlx::query("INSERT OR REPLACE INTO results (task, worker, cid, length, sha256, callback) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(task.0.to_vec())
        .bind(result.worker.to_vec())
        .bind(&result.blob.cid)
        .bind(signed(result.blob.length))
        .bind(result.blob.sha256.to_vec())
        .bind(result.callback.as_ref().map(|bytes| bytes.to_vec()))
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
