//! The bill: who was paid what, and why, summed over the tasks of deals.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use protocol::{DealId, payment::Nrlc};
use sdk::{
    chain::Chain,
    payment::{Flow, Role},
};
use serde::Serialize;

use crate::output::{short, table};

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// A name the reader knows, or none.
    pub name: Option<String>,
    pub who: Address,
    pub role: Role,
    /// What came in.
    pub paid: Nrlc,
    /// What was taken: the price from a requester, the stake from a loser.
    pub taken: Nrlc,
    pub why: String,
}

/// The bill of some deals; `names` are shown beside addresses.
pub async fn of(
    chain: &Chain,
    deals: &[DealId],
    names: &BTreeMap<Address, String>,
) -> anyhow::Result<Vec<Line>> {
    let mut sums: BTreeMap<(Role, Address, &'static str), (Nrlc, Nrlc, u64)> = BTreeMap::new();
    for &deal in deals {
        for line in sdk::payment::bill(chain, deal).await?.lines {
            let sum = sums.entry((line.role, line.who, line.why));
            match line.flow {
                Flow::Earned => {
                    let sum = sum.or_default();
                    sum.0.0 = sum.0.0.saturating_add(line.amount.0);
                    sum.2 += 1;
                }
                Flow::Spent => {
                    let sum = sum.or_default();
                    sum.1.0 = sum.1.0.saturating_add(line.amount.0);
                    sum.2 += 1;
                }
                // Still, or again, its owner's.
                Flow::Frozen | Flow::Freed => {}
            }
        }
    }
    Ok(sums
        .into_iter()
        .map(|((role, who, why), (paid, taken, times))| Line {
            name: names.get(&who).cloned(),
            who,
            role,
            paid,
            taken,
            why: if times == 1 {
                why.to_owned()
            } else {
                format!("{why} × {times}")
            },
        })
        .collect())
}

/// The bill as a table.
pub fn as_table(lines: &[Line]) -> String {
    let amount = |amount: Nrlc, sign: &str| {
        if amount.is_zero() {
            String::new()
        } else {
            format!("{sign}{amount}")
        }
    };
    table(
        &["who", "as", "got", "paid", "why"],
        &[2, 3],
        lines.iter().map(|line| {
            let who = match &line.name {
                Some(name) => format!("{name} {}", short(line.who)),
                None => short(line.who),
            };
            vec![
                who,
                line.role.to_string(),
                amount(line.paid, "+"),
                amount(line.taken, "−"),
                line.why.clone(),
            ]
        }),
    )
}
