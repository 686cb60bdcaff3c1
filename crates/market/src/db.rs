//! The book on disk: SQLite in WAL mode, so that readers never wait for the writer.
//!
//! The only room that knows SQL. Numbers of 256 bits and addresses are stored as big-endian bytes, which compare as
//! the numbers do. A crash of the process loses nothing that was answered; a power cut may lose the last moments, and
//! their owners publish again.

use std::path::Path;
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use protocol::ids::OrderHash;
use protocol::order::{OrderKind, Signed, Tag};
use sdk::wire::market::{OrderStatus, Record};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::filter::{Condition, Filter, Number, Party};
use crate::terms::{Listed, Terms};

/// Values in one `IN (…)`: well below SQLite's limit of bound values.
const MOST_BOUND: usize = 500;
/// Orders looked at again at a time: each may cost three questions to the chain, asked at once.
const PAGE: i64 = 64;

/// The book.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    pool: SqlitePool,
}

/// For which hub the book is kept, and how far its chain has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) chain_id: u64,
    pub(crate) hub: Address,
    pub(crate) followed_block: u64,
}

/// An order as the truth-keeper sees it: without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hash: OrderHash,
    pub(crate) kind: OrderKind,
    pub(crate) subject: Address,
    pub(crate) signer: Address,
    pub(crate) volume: U256,
    pub(crate) remaining: U256,
    pub(crate) stake_per_task: U256,
    pub(crate) status: OrderStatus,
}

/// An order about to be written.
#[derive(Debug)]
pub(crate) struct NewOrder<'a, O> {
    pub(crate) hash: OrderHash,
    pub(crate) order: &'a Signed<O>,
    pub(crate) signer: Address,
    pub(crate) remaining: U256,
    pub(crate) published_ms: i64,
    pub(crate) block: u64,
}

impl Db {
    /// Opens the book, creating it and bringing its tables up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            .connect_with(options)
            .await?;
        sqlx::migrate!().run(&pool).await?;
        Ok(Self { pool })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// For which hub this book is kept; `None` in a new one.
    pub(crate) async fn identity(&self) -> Result<Option<Identity>, sqlx::Error> {
        let row = sqlx::query("SELECT chain_id, hub, followed_block FROM book")
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(Identity {
                chain_id: unsigned(row.try_get("chain_id")?),
                hub: address(&row, "hub")?,
                followed_block: unsigned(row.try_get("followed_block")?),
            })
        })
        .transpose()
    }

    pub(crate) async fn set_identity(&self, identity: Identity) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO book (id, chain_id, hub, followed_block) VALUES (0, ?, ?, ?)")
            .bind(signed(identity.chain_id))
            .bind(identity.hub.to_vec())
            .bind(signed(identity.followed_block))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn set_followed(&self, block: u64) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE book SET followed_block = ?")
            .bind(signed(block))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Whatever is told of blocks later than the chain's newest is of a branch that is gone.
    pub(crate) async fn none_changed_after(&self, newest: u64) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE orders SET changed_block = ? WHERE changed_block > ?")
            .bind(signed(newest))
            .bind(signed(newest))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Writes an open order; one with the same hash that was not open is replaced.
    pub(crate) async fn insert<O: Listed>(&self, new: NewOrder<'_, O>) -> Result<(), sqlx::Error> {
        let order = &new.order.order;
        let terms: Terms = order.terms();
        let body = serde_json::to_string(new.order).map_err(encoding)?;
        let [tag_0, tag_1, tag_2, tag_3] = tag_words(order.tag());
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO orders (hash, kind, signer, app, dataset, workerpool, requester, beneficiary, price, rank, volume, \
             remaining, category, trust, tag_0, tag_1, tag_2, tag_3, stake, body, status, published_ms, changed_block) VALUES (",
        );
        let mut values = query.separated(", ");
        values
            .push_bind(new.hash.0.to_vec())
            .push_bind(kind_number(O::KIND));
        for address in [
            new.signer,
            terms.app,
            terms.dataset,
            terms.workerpool,
            terms.requester,
            terms.beneficiary,
        ] {
            values.push_bind(address.to_vec());
        }
        let category = terms.category.unwrap_or_default();
        let trust = terms.trust.unwrap_or_default();
        for number in [
            terms.price,
            terms.rank(O::KIND),
            order.volume(),
            new.remaining,
            category,
            trust,
        ] {
            values.push_bind(bytes(number));
        }
        for word in [tag_0, tag_1, tag_2, tag_3] {
            values.push_bind(word);
        }
        values
            .push_bind(bytes(terms.stake_per_task))
            .push_bind(body)
            .push_bind(status_name(OrderStatus::Open))
            .push_bind(new.published_ms)
            .push_bind(signed(new.block));
        query.push(
            ") ON CONFLICT (hash) DO UPDATE SET signer = excluded.signer, remaining = excluded.remaining, \
             body = excluded.body, status = excluded.status, published_ms = excluded.published_ms, \
             changed_block = excluded.changed_block",
        );
        query.build().execute(&self.pool).await?;
        Ok(())
    }

    /// An order by its hash, whatever its status.
    pub(crate) async fn get<O: Listed>(
        &self,
        hash: OrderHash,
        chain_id: u64,
    ) -> Result<Option<Record<O>>, sqlx::Error> {
        let row = sqlx::query("SELECT hash, body, remaining, status, signer, published_ms FROM orders WHERE hash = ? AND kind = ?")
            .bind(hash.0.to_vec())
            .bind(kind_number(O::KIND))
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| record(&row, chain_id)).transpose()
    }

    /// One page of the open orders that pass, best first, and how many pass on all pages.
    pub(crate) async fn list<O: Listed>(
        &self,
        filter: &Filter,
        chain_id: u64,
    ) -> Result<(Vec<Record<O>>, u64), sqlx::Error> {
        let mut count = QueryBuilder::<Sqlite>::new("SELECT COUNT(*) FROM orders");
        push_conditions(&mut count, filter);
        let count: i64 = count.build_query_scalar().fetch_one(&self.pool).await?;

        let mut page = QueryBuilder::<Sqlite>::new(
            "SELECT hash, body, remaining, status, signer, published_ms FROM orders",
        );
        push_conditions(&mut page, filter);
        page.push(" ORDER BY rank, published_ms, hash LIMIT ")
            .push_bind(signed(filter.page_size));
        page.push(" OFFSET ")
            .push_bind(signed(filter.page_index.saturating_mul(filter.page_size)));
        let rows = page.build().fetch_all(&self.pool).await?;
        let records = rows
            .iter()
            .map(|row| record(row, chain_id))
            .collect::<Result<_, _>>()?;
        Ok((records, unsigned(count)))
    }

    /// How many orders are open, of one kind by one signer or altogether.
    pub(crate) async fn count_open(
        &self,
        of: Option<(OrderKind, Address)>,
    ) -> Result<u64, sqlx::Error> {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT COUNT(*) FROM orders WHERE status = 'open'");
        if let Some((kind, signer)) = of {
            query.push(" AND kind = ").push_bind(kind_number(kind));
            query.push(" AND signer = ").push_bind(signer.to_vec());
        }
        query
            .build_query_scalar::<i64>()
            .fetch_one(&self.pool)
            .await
            .map(unsigned)
    }

    /// One order of the book without its body.
    pub(crate) async fn entry(&self, hash: OrderHash) -> Result<Option<Entry>, sqlx::Error> {
        Ok(self.entries(&[hash]).await?.pop())
    }

    /// Those of these orders that are in the book.
    pub(crate) async fn entries(&self, hashes: &[OrderHash]) -> Result<Vec<Entry>, sqlx::Error> {
        self.entries_in(
            "hash",
            hashes.iter().map(|hash| hash.0.to_vec()).collect(),
            "",
        )
        .await
    }

    /// Orders of these signers that a match needs their stake for, and that may yet be matched.
    pub(crate) async fn entries_backed_by(
        &self,
        signers: &[Address],
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let signers = signers.iter().map(|signer| signer.to_vec()).collect();
        let zero = " AND status IN ('open', 'dead') AND stake <> zeroblob(32)";
        self.entries_in("signer", signers, zero).await
    }

    /// Orders that may yet be matched, after this one in the order of their publication.
    pub(crate) async fn entries_after(
        &self,
        sequence: i64,
    ) -> Result<(Vec<Entry>, Option<i64>), sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new(ENTRY);
        query
            .push(" WHERE status IN ('open', 'dead') AND sequence > ")
            .push_bind(sequence);
        query.push(" ORDER BY sequence LIMIT ").push_bind(PAGE);
        let rows = query.build().fetch_all(&self.pool).await?;
        let last = rows.last().map(|row| row.try_get("sequence")).transpose()?;
        Ok((rows.iter().map(entry).collect::<Result<_, _>>()?, last))
    }

    /// Orders of which something changed after this block.
    pub(crate) async fn entries_changed_after(
        &self,
        block: u64,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new(ENTRY);
        query
            .push(" WHERE changed_block > ")
            .push_bind(signed(block));
        let rows = query.build().fetch_all(&self.pool).await?;
        rows.iter().map(entry).collect()
    }

    /// Orders of one signer about one asset that may yet be matched, the last published one first.
    pub(crate) async fn entries_about(
        &self,
        kind: OrderKind,
        subject: Address,
        signer: Address,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new(ENTRY);
        query
            .push(" WHERE status IN ('open', 'dead') AND kind = ")
            .push_bind(kind_number(kind));
        query.push(" AND signer = ").push_bind(signer.to_vec());
        query
            .push(" AND ")
            .push(subject_column(kind))
            .push(" = ")
            .push_bind(subject.to_vec());
        query.push(" ORDER BY published_ms DESC, sequence DESC");
        let rows = query.build().fetch_all(&self.pool).await?;
        rows.iter().map(entry).collect()
    }

    async fn entries_in(
        &self,
        column: &'static str,
        values: Vec<Vec<u8>>,
        and: &'static str,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        let mut entries = Vec::new();
        for some in values.chunks(MOST_BOUND) {
            let mut query = QueryBuilder::<Sqlite>::new(ENTRY);
            query.push(" WHERE ").push(column).push(" IN (");
            let mut list = query.separated(", ");
            for value in some {
                list.push_bind(value.clone());
            }
            query.push(")").push(and);
            for row in query.build().fetch_all(&self.pool).await? {
                entries.push(entry(&row)?);
            }
        }
        Ok(entries)
    }

    /// What the chain says of an order now.
    pub(crate) async fn set_standing(
        &self,
        hash: OrderHash,
        remaining: U256,
        status: OrderStatus,
        seen: Seen,
    ) -> Result<bool, sqlx::Error> {
        let (block, known_up_to) = match seen {
            Seen::At(block) => (block, block),
            Seen::OnAnotherBranch(block) => (block, u64::MAX),
        };
        let written = sqlx::query(
            "UPDATE orders SET remaining = ?, status = ?, changed_block = ? WHERE hash = ? AND changed_block <= ?",
        )
        .bind(bytes(remaining))
        .bind(status_name(status))
        .bind(signed(block))
        .bind(hash.0.to_vec())
        .bind(signed(known_up_to))
        .execute(&self.pool)
        .await?;
        Ok(written.rows_affected() > 0)
    }

    /// Takes an order out of the book.
    pub(crate) async fn delete(&self, hash: OrderHash) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM orders WHERE hash = ?")
            .bind(hash.0.to_vec())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// When the chain said what is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// In this block, or a later one: what the book knows of later blocks stays.
    At(u64),
    /// The same, but what the book knows may be of blocks that are gone.
    OnAnotherBranch(u64),
}

const ENTRY: &str = "SELECT sequence, hash, kind, app, dataset, workerpool, requester, signer, volume, remaining, stake, status FROM orders";

fn push_conditions(query: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    query
        .push(" WHERE status = 'open' AND kind = ")
        .push_bind(kind_number(filter.kind));
    for condition in &filter.conditions {
        query.push(" AND ");
        match condition {
            Condition::Is(party, address) => {
                query
                    .push(party_column(*party))
                    .push(" = ")
                    .push_bind(address.to_vec());
            }
            Condition::OneOf(party, [one, other]) => {
                query
                    .push(party_column(*party))
                    .push(" IN (")
                    .push_bind(one.to_vec());
                query.push(", ").push_bind(other.to_vec()).push(")");
            }
            Condition::Category(category) => {
                query.push("category = ").push_bind(bytes(*category));
            }
            Condition::AtLeast(number, least) => {
                query
                    .push(number_column(*number))
                    .push(" >= ")
                    .push_bind(bytes(*least));
            }
            Condition::AtMost(number, most) => {
                query
                    .push(number_column(*number))
                    .push(" <= ")
                    .push_bind(bytes(*most));
            }
            Condition::TagIncludes(tag) => {
                query.push("(1 = 1");
                for (column, word) in TAG_COLUMNS
                    .into_iter()
                    .zip(tag_words(*tag))
                    .filter(|(_, word)| *word != 0)
                {
                    query
                        .push(" AND ")
                        .push(column)
                        .push(" & ")
                        .push_bind(word)
                        .push(" = ")
                        .push_bind(word);
                }
                query.push(")");
            }
            Condition::TagWithin(tag) => {
                query.push("(1 = 1");
                for (column, word) in TAG_COLUMNS.into_iter().zip(tag_words(*tag)) {
                    query
                        .push(" AND ")
                        .push(column)
                        .push(" & ")
                        .push_bind(!word)
                        .push(" = 0");
                }
                query.push(")");
            }
            Condition::Never => {
                query.push("1 = 0");
            }
        }
    }
}

fn record<O: Listed>(row: &SqliteRow, chain_id: u64) -> Result<Record<O>, sqlx::Error> {
    let body: &str = row.try_get("body")?;
    Ok(Record {
        order_hash: OrderHash(hash(row, "hash")?),
        order: serde_json::from_str(body).map_err(decoding)?,
        chain_id,
        remaining: number(row, "remaining")?,
        status: status(row)?,
        signer: address(row, "signer")?,
        publication_timestamp: timestamp(row.try_get("published_ms")?),
    })
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let kind = match row.try_get::<i64, _>("kind")? {
        0 => OrderKind::App,
        1 => OrderKind::Dataset,
        2 => OrderKind::Workerpool,
        3 => OrderKind::Request,
        other => return Err(decoding(format!("there is no kind {other} of orders"))),
    };
    Ok(Entry {
        hash: OrderHash(hash(row, "hash")?),
        kind,
        subject: address(row, subject_column(kind))?,
        signer: address(row, "signer")?,
        volume: number(row, "volume")?,
        remaining: number(row, "remaining")?,
        stake_per_task: number(row, "stake")?,
        status: status(row)?,
    })
}

fn kind_number(kind: OrderKind) -> i64 {
    match kind {
        OrderKind::App => 0,
        OrderKind::Dataset => 1,
        OrderKind::Workerpool => 2,
        OrderKind::Request => 3,
    }
}

fn subject_column(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => "app",
        OrderKind::Dataset => "dataset",
        OrderKind::Workerpool => "workerpool",
        OrderKind::Request => "requester",
    }
}

fn party_column(party: Party) -> &'static str {
    match party {
        Party::App => "app",
        Party::Dataset => "dataset",
        Party::Workerpool => "workerpool",
        Party::Requester => "requester",
        Party::Beneficiary => "beneficiary",
        Party::Signer => "signer",
    }
}

fn number_column(number: Number) -> &'static str {
    match number {
        Number::Price => "price",
        Number::Remaining => "remaining",
        Number::Trust => "trust",
    }
}

const TAG_COLUMNS: [&str; 4] = ["tag_0", "tag_1", "tag_2", "tag_3"];

/// A tag as four words of 64 bits, the lowest first, as SQL's signed numbers with the same bits.
fn tag_words(tag: Tag) -> [i64; 4] {
    U256::from_be_bytes(tag.0.0)
        .into_limbs()
        .map(u64::cast_signed)
}

fn status_name(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Open => "open",
        OrderStatus::Filled => "filled",
        OrderStatus::Canceled => "canceled",
        OrderStatus::Dead => "dead",
    }
}

fn status(row: &SqliteRow) -> Result<OrderStatus, sqlx::Error> {
    match row.try_get::<&str, _>("status")? {
        "open" => Ok(OrderStatus::Open),
        "filled" => Ok(OrderStatus::Filled),
        "canceled" => Ok(OrderStatus::Canceled),
        "dead" => Ok(OrderStatus::Dead),
        other => Err(decoding(format!("there is no status {other:?}"))),
    }
}

fn bytes(number: U256) -> Vec<u8> {
    number.to_be_bytes_vec()
}

fn number(row: &SqliteRow, column: &str) -> Result<U256, sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    U256::try_from_be_slice(bytes)
        .ok_or_else(|| decoding(format!("{column} is longer than 32 bytes")))
}

fn hash(row: &SqliteRow, column: &str) -> Result<B256, sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    B256::try_from(bytes).map_err(decoding)
}

fn address(row: &SqliteRow, column: &str) -> Result<Address, sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    Address::try_from(bytes).map_err(decoding)
}

/// Heights, ids and counts are far below 2^63; what is not was never stored.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn encoding(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}

fn decoding(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// Milliseconds since 1970 as `2026-01-31T12:00:00.000Z`.
fn timestamp(ms: i64) -> String {
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Civil date from days, counting years from March so that the leap day comes last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60);
    let (seconds, ms) = (ms_of_day / 1000 % 60, ms_of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use proptest::prelude::*;
    use protocol::order::WorkerpoolOrder;

    use super::*;

    async fn book() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&folder.path().join("book.sqlite"))
            .await
            .expect("opens");
        (folder, db)
    }

    async fn insert(db: &Db, number: u64, order: WorkerpoolOrder, remaining: U256) -> OrderHash {
        let hash = OrderHash(B256::from(U256::from(number)));
        let order = Signed {
            order,
            sign: Bytes::from_static(&[1, 2, 3]),
        };
        let signer = Address::repeat_byte(1);
        let new = NewOrder {
            hash,
            order: &order,
            signer,
            remaining,
            published_ms: number as i64,
            block: 5,
        };
        db.insert(new).await.expect("written");
        hash
    }

    fn passes(conditions: &[Condition], order: &WorkerpoolOrder, remaining: U256) -> bool {
        let terms = order.terms();
        let party = |party: &Party| match party {
            Party::App => terms.app,
            Party::Dataset => terms.dataset,
            Party::Workerpool => terms.workerpool,
            Party::Requester => terms.requester,
            Party::Beneficiary => terms.beneficiary,
            Party::Signer => Address::repeat_byte(1),
        };
        let number = |number: &Number| match number {
            Number::Price => terms.price,
            Number::Remaining => remaining,
            Number::Trust => order.trust,
        };
        conditions.iter().all(|condition| match condition {
            Condition::Is(who, address) => party(who) == *address,
            Condition::OneOf(who, addresses) => addresses.contains(&party(who)),
            Condition::Category(category) => order.category == *category,
            Condition::AtLeast(what, least) => number(what) >= *least,
            Condition::AtMost(what, most) => number(what) <= *most,
            Condition::TagIncludes(tag) => Tag(order.tag).includes(*tag),
            Condition::TagWithin(tag) => tag.includes(Tag(order.tag)),
            Condition::Never => false,
        })
    }

    fn some_number() -> impl Strategy<Value = U256> {
        prop_oneof![
            (0_u64..4).prop_map(U256::from),
            any::<[u64; 4]>().prop_map(U256::from_limbs),
            Just(U256::MAX),
        ]
    }

    fn some_address() -> impl Strategy<Value = Address> {
        (0_u8..3).prop_map(Address::repeat_byte)
    }

    fn some_tag() -> impl Strategy<Value = Tag> {
        // Bits next to the borders of the four words, and the signs of SQL's numbers.
        proptest::collection::vec(
            prop_oneof![
                Just(0_usize),
                Just(1),
                Just(63),
                Just(64),
                Just(191),
                Just(255)
            ],
            0..4,
        )
        .prop_map(|bits| {
            Tag(bits
                .into_iter()
                .fold(U256::ZERO, |tag, bit| tag | (U256::ONE << bit))
                .into())
        })
    }

    prop_compose! {
        fn some_order()(
            price in some_number(), volume in some_number(), tag in some_tag(), category in some_number(), trust in some_number(),
            parties in proptest::array::uniform4(some_address()),
        ) -> WorkerpoolOrder {
            let [workerpool, apprestrict, datasetrestrict, requesterrestrict] = parties;
            WorkerpoolOrder {
                workerpool, workerpoolprice: price, volume, tag: tag.0, category, trust,
                apprestrict, datasetrestrict, requesterrestrict, salt: B256::ZERO,
            }
        }
    }

    fn some_condition() -> impl Strategy<Value = Condition> {
        let party = || {
            prop_oneof![
                Just(Party::App),
                Just(Party::Workerpool),
                Just(Party::Requester),
                Just(Party::Signer)
            ]
        };
        let number = || {
            prop_oneof![
                Just(Number::Price),
                Just(Number::Remaining),
                Just(Number::Trust)
            ]
        };
        prop_oneof![
            (party(), some_address()).prop_map(|(party, address)| Condition::Is(party, address)),
            (party(), some_address(), some_address())
                .prop_map(|(party, a, b)| Condition::OneOf(party, [a, b])),
            some_number().prop_map(Condition::Category),
            (number(), some_number()).prop_map(|(number, least)| Condition::AtLeast(number, least)),
            (number(), some_number()).prop_map(|(number, most)| Condition::AtMost(number, most)),
            some_tag().prop_map(Condition::TagIncludes),
            some_tag().prop_map(Condition::TagWithin),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn sql_passes_exactly_the_orders_that_pass(
            orders in proptest::collection::vec(some_order(), 0..12),
            filters in proptest::collection::vec(proptest::collection::vec(some_condition(), 0..3), 8),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (_folder, db) = book().await;
                for (number, order) in (0..).zip(&orders) {
                    insert(&db, number, order.clone(), order.volume).await;
                }
                for conditions in filters {
                    let mut expected: Vec<_> =
                        orders.iter().enumerate().filter(|(_, order)| passes(&conditions, order, order.volume)).collect();
                    expected.sort_by_key(|(number, order)| (order.workerpoolprice, *number));
                    let expected: Vec<_> = expected.into_iter().map(|(_, order)| order.clone()).collect();
                    let filter = Filter { kind: OrderKind::Workerpool, conditions, page_index: 0, page_size: 100 };
                    let (found, count) = db.list::<WorkerpoolOrder>(&filter, 1).await.expect("a list");
                    assert_eq!(count, expected.len() as u64, "{filter:?}");
                    let found: Vec<_> = found.into_iter().map(|record| record.order.order).collect();
                    assert_eq!(found, expected, "{filter:?}");
                }
            });
        }
    }

    #[tokio::test]
    async fn an_entry_follows_what_the_chain_says_and_a_new_publication_revives_it() {
        let (_folder, db) = book().await;
        let order = WorkerpoolOrder {
            workerpool: Address::repeat_byte(7),
            volume: U256::MAX,
            workerpoolprice: U256::from(10),
            ..WorkerpoolOrder::default()
        };
        let hash = insert(&db, 1, order.clone(), U256::MAX).await;
        let entry = db.entry(hash).await.expect("readable").expect("there");
        assert_eq!(
            (entry.subject, entry.volume, entry.stake_per_task),
            (order.workerpool, U256::MAX, U256::from(3))
        );
        let filled = db.set_standing(hash, U256::ZERO, OrderStatus::Filled, Seen::At(9));
        assert!(filled.await.expect("written"));
        // Whoever looked at block 8 and was slow.
        let late = db.set_standing(hash, U256::ONE, OrderStatus::Open, Seen::At(8));
        assert!(
            !late.await.expect("answered"),
            "an older look tells nothing"
        );
        assert_eq!(db.count_open(None).await.expect("readable"), 0);
        assert_eq!(
            db.entries_changed_after(8).await.expect("readable").len(),
            1
        );
        assert_eq!(db.entries_changed_after(9).await.expect("readable"), []);
        assert_eq!(
            db.entries_after(0).await.expect("readable").1,
            None,
            "what is filled is not looked at again"
        );
        // Blocks of a branch that is gone are neither older nor newer.
        let undone = db.set_standing(hash, U256::ONE, OrderStatus::Dead, Seen::OnAnotherBranch(7));
        assert!(undone.await.expect("written"));
        insert(&db, 1, order, U256::ONE).await;
        let entry = db.entry(hash).await.expect("readable").expect("there");
        assert_eq!(
            (entry.status, entry.remaining),
            (OrderStatus::Open, U256::ONE)
        );
        assert_eq!(
            db.entries_backed_by(&[Address::repeat_byte(1)])
                .await
                .expect("readable"),
            [entry]
        );
        db.delete(hash).await.expect("gone");
        assert_eq!(db.entry(hash).await.expect("readable"), None);
    }

    #[tokio::test]
    async fn the_book_remembers_whose_it_is() {
        let (folder, db) = book().await;
        assert_eq!(db.identity().await.expect("readable"), None);
        let identity = Identity {
            chain_id: 31_337,
            hub: Address::repeat_byte(4),
            followed_block: 7,
        };
        db.set_identity(identity).await.expect("written");
        db.set_followed(12).await.expect("written");
        db.close().await;
        let db = Db::open(&folder.path().join("book.sqlite"))
            .await
            .expect("opens again");
        assert_eq!(
            db.identity().await.expect("readable"),
            Some(Identity {
                followed_block: 12,
                ..identity
            })
        );
    }

    #[test]
    fn moments_read_as_people_write_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
            (1_772_323_200_000, "2026-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(ms), text);
        }
    }
}
