//! What two nodes answered to the same requests, and where they differ.
//!
//! Answers are compared whole, field by field, after three things that cannot be equal were given names: hashes of
//! blocks (`<block 5>`; a header holds the state root, so hashes differ wherever state roots do), and the numbers that
//! nodes give to filters, subscriptions and snapshots (`<opened 1>`). All else is equal or a difference: transactions
//! are signed with the same keys and nonces, and timestamps are pinned.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::recorder::Recording;

/// Methods whose answer is a number that names something from then on.
const OPENING: &[&str] = &[
    "eth_newFilter",
    "eth_newBlockFilter",
    "eth_newPendingTransactionFilter",
    "eth_subscribe",
    "evm_snapshot",
    "anvil_snapshot",
];

/// Methods whose first argument is such a number.
const USING: &[&str] = &[
    "eth_getFilterChanges",
    "eth_getFilterLogs",
    "eth_uninstallFilter",
    "eth_unsubscribe",
    "evm_revert",
    "anvil_revert",
];

/// What libraries ask again and again until they like the answer: how often depends on the time it takes, so the last
/// answer counts.
const ASKED_UNTIL_THERE: &[&str] = &["eth_getTransactionReceipt", "eth_getTransactionByHash"];

/// What a library may ask of one node alone: whatever it asks only if a receipt lets it wait. Cast looks at new blocks
/// then, ethers whether another transaction took its place.
fn asked_while_waiting(client: &str, method: &str) -> bool {
    match method {
        "eth_getTransactionByHash" | "eth_blockNumber" => true,
        "eth_getBlockByNumber" => client == "cast" || client == "ethers",
        "eth_getTransactionCount" => client == "ethers",
        _ => false,
    }
}

/// What libraries ask now and then to see how far things are: the first answer counts.
const ASKED_NOW_AND_THEN: &[&str] = &["eth_blockNumber", "eth_chainId"];

/// One call and its answer, in comparable form.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) params: Value,
    /// The whole answer but `jsonrpc` and an `id` that is the request's; and HTTP's status where it is not 200.
    answer: Value,
}

/// A place where two answers differ.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) client: &'static str,
    pub(super) method: String,
    params: String,
    at: String,
    ours: String,
    theirs: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding {
            client,
            method,
            params,
            at,
            ours,
            theirs,
        } = self;
        writeln!(f, "{method} at {at} ({client}, {})", clip(params))?;
        writeln!(f, "    devchain: {}", clip(ours))?;
        write!(f, "    anvil:    {}", clip(theirs))
    }
}

fn clip(text: &str) -> String {
    let mut clipped = text.chars().take(200).collect::<String>();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

/// The list of differences that are meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    pub(super) difference: Vec<Intended>,
}

/// One of them. `*` stands for anything in every field but `reason`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intended {
    /// Each of these has to differ somewhere, or the list is out of date.
    pub(super) methods: Vec<String>,
    /// The place in the answer; `*` also where an array's index would be.
    pub(super) at: String,
    /// Narrower: only with such arguments.
    params: Option<String>,
    /// Narrower: only where devchain says this.
    devchain: Option<String>,
    /// Narrower: only where anvil says this.
    anvil: Option<String>,
    /// How often each client meets it: not more, or something else hides behind it, and not less.
    pub(super) met: BTreeMap<String, usize>,
    pub(super) reason: String,
}

impl Intended {
    /// Which of the methods named a finding is about, if it is this difference.
    pub(super) fn covers(&self, finding: &Finding) -> Option<usize> {
        let narrowed = |pattern: &Option<String>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| like(pattern, text))
        };
        if !like(&self.at, &finding.at)
            || !narrowed(&self.params, &finding.params)
            || !narrowed(&self.devchain, &finding.ours)
            || !narrowed(&self.anvil, &finding.theirs)
        {
            return None;
        }
        self.methods
            .iter()
            .position(|method| like(method, &finding.method))
    }
}

/// `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| like(rest, &text[at..]))
        }),
    }
}

/// A recording in comparable form: its calls, and what each subscription was told as the answer of a call to
/// `eth_subscription`. The chain as it is in the end helps to name blocks.
pub(super) fn calls(recording: &Recording, chain: &Value) -> Vec<Call> {
    let mut calls = Vec::new();
    for exchange in &recording.exchanges {
        let request = serde_json::from_str::<Value>(&exchange.request);
        let answer = serde_json::from_str::<Value>(&exchange.answer)
            .unwrap_or_else(|_| json!({"text": exchange.answer}));
        match (request, answer) {
            (Ok(Value::Array(requests)), Value::Array(mut answers))
                if !requests.is_empty()
                    && requests.iter().all(|request| request["method"].is_string()) =>
            {
                for request in requests {
                    let at = answers
                        .iter()
                        .position(|answer| answer["id"] == request["id"]);
                    let answer = at.map_or(Value::Null, |at| answers.remove(at));
                    calls.push(call(request, exchange.status, answer));
                }
            }
            (Ok(request), answer) => calls.push(call(request, exchange.status, answer)),
            (Err(_), answer) => {
                calls.push(call(json!(exchange.request), exchange.status, answer));
            }
        }
    }
    let mut opened = BTreeMap::new();
    let mut openings = 0;
    let mut subscriptions = Vec::new();
    for call in &mut calls {
        let is = |list: &[&str]| list.contains(&call.method.as_str());
        if call.method == "eth_subscribe" {
            subscriptions.push((call.answer["result"].clone(), call.params.clone()));
        }
        if is(OPENING) && call.answer["result"].is_string() {
            openings += 1;
            let name = json!(format!("<opened {openings}>"));
            let number = std::mem::replace(&mut call.answer["result"], name.clone());
            opened.insert(number.to_string(), name);
        } else if is(USING)
            && let Some(name) = opened.get(&call.params[0].to_string())
        {
            call.params[0] = name.clone();
        }
    }
    for (number, params) in subscriptions {
        let told = recording
            .told
            .iter()
            .filter(|told| told["subscription"] == number)
            .map(|told| told["result"].clone())
            .collect::<Vec<_>>();
        calls.push(Call {
            method: "eth_subscription".to_owned(),
            params,
            answer: json!({"result": told}),
        });
    }
    let mut blocks = Blocks::default();
    for call in &calls {
        blocks.learn(&call.answer);
    }
    blocks.learn(chain);
    for call in &mut calls {
        blocks.name(&mut call.params);
        blocks.name(&mut call.answer);
    }
    calls
}

fn call(mut request: Value, status: u16, mut answer: Value) -> Call {
    if let Some(fields) = answer.as_object_mut() {
        if fields.get("id") == Some(&request["id"]) {
            fields.remove("id");
        }
        if fields.get("jsonrpc") == Some(&json!("2.0")) {
            fields.remove("jsonrpc");
        }
        if status != 200 && status != 0 {
            fields.insert("status".to_owned(), json!(status));
        }
    }
    let params = &request["params"];
    let well_formed = request["jsonrpc"] == "2.0" && (params.is_array() || params.is_null());
    match request["method"].as_str() {
        Some(method) if well_formed => Call {
            method: method.to_owned(),
            params: request["params"].take(),
            answer,
        },
        _ => Call {
            method: "(malformed)".to_owned(),
            params: request,
            answer,
        },
    }
}

/// Names for blocks' hashes: the number, and which of those with that number it is.
#[derive(Default)]
struct Blocks {
    names: BTreeMap<String, String>,
    heights: BTreeMap<String, usize>,
}

impl Blocks {
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (hash, number) in [
                    ("hash", "number"),
                    ("blockHash", "blockNumber"),
                    ("currentBlockHash", "currentBlockNumber"),
                ] {
                    if let (Some(Value::String(hash)), Some(number)) =
                        (fields.get(hash), fields.get(number))
                        && !self.names.contains_key(hash)
                        && let Some(number) = height(number)
                    {
                        let height = self.heights.entry(number.clone()).or_default();
                        *height += 1;
                        let name = match *height {
                            1 => format!("<block {number}>"),
                            again => format!("<block {number}, {again}>"),
                        };
                        self.names.insert(hash.clone(), name);
                    }
                }
                fields.values().for_each(|value| self.learn(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    fn name(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|value| self.name(value)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.name(item)),
            Value::String(text) if text.len() == 66 => {
                if let Some(name) = self.names.get(text) {
                    *text = name.clone();
                }
            }
            Value::String(text) if text.len() > 66 && text.contains(' ') => {
                for (hash, name) in &self.names {
                    *text = text.replace(hash, name);
                }
            }
            _ => {}
        }
    }
}

fn height(number: &Value) -> Option<String> {
    match number {
        Value::String(text) => Some(
            u64::from_str_radix(text.strip_prefix("0x")?, 16)
                .ok()?
                .to_string(),
        ),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Compares calls made one after the other, each with its counterpart.
pub(super) fn in_order(client: &'static str, ours: &[Call], theirs: &[Call]) -> Vec<Finding> {
    let mut findings = Vec::new();
    assert_eq!(ours.len(), theirs.len(), "the same was asked of both");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.method, theirs.method, "the same was asked of both");
        differ(
            client,
            ours,
            &ours.params,
            &theirs.params,
            "params",
            &mut findings,
        );
        answers(client, ours, theirs, &mut findings);
    }
    findings
}

/// Compares the calls of a library, which may poll and ask several things at once: the n-th call with the same
/// arguments with the other node's n-th.
pub(super) fn by_arguments(client: &'static str, ours: &[Call], theirs: &[Call]) -> Vec<Finding> {
    let sorted = |calls: &[Call]| {
        let mut sorted: BTreeMap<(String, String), Vec<Call>> = BTreeMap::new();
        for call in calls {
            let same = sorted
                .entry((call.method.clone(), call.params.to_string()))
                .or_default();
            if ASKED_UNTIL_THERE.contains(&call.method.as_str()) {
                same.clear();
            }
            if same.is_empty() || !ASKED_NOW_AND_THEN.contains(&call.method.as_str()) {
                same.push(call.clone());
            }
        }
        sorted
    };
    let (ours, mut theirs) = (sorted(ours), sorted(theirs));
    let mut findings = Vec::new();
    for (key, ours) in &ours {
        let theirs = theirs.remove(key).unwrap_or_default();
        if ours.len() != theirs.len() && !asked_while_waiting(client, &key.0) {
            findings.push(asked(client, &ours[0], ours.len(), theirs.len()));
        }
        for (ours, theirs) in ours.iter().zip(&theirs) {
            answers(client, ours, theirs, &mut findings);
        }
    }
    for (key, theirs) in &theirs {
        if asked_while_waiting(client, &key.0) {
            continue;
        }
        findings.push(asked(client, &theirs[0], 0, theirs.len()));
    }
    findings
}

fn asked(client: &'static str, call: &Call, ours: usize, theirs: usize) -> Finding {
    Finding {
        client,
        method: call.method.clone(),
        params: call.params.to_string(),
        at: "times asked".to_owned(),
        ours: ours.to_string(),
        theirs: theirs.to_string(),
    }
}

/// An error on one side only is one difference, at `outcome`.
fn answers(client: &'static str, ours: &Call, theirs: &Call, findings: &mut Vec<Finding>) {
    let failed = |call: &Call| call.answer.get("error").is_some();
    if failed(ours) == failed(theirs) {
        let before = findings.len();
        differ(client, ours, &ours.answer, &theirs.answer, "", findings);
        // What is meant for a transaction that waits is not meant for one in a block.
        if waits(ours) && waits(theirs) {
            for finding in &mut findings[before..] {
                finding.at = finding.at.replacen("result", "result(waiting)", 1);
            }
        }
        return;
    }
    findings.push(Finding {
        client,
        method: ours.method.clone(),
        params: ours.params.to_string(),
        at: "outcome".to_owned(),
        ours: ours.answer.to_string(),
        theirs: theirs.answer.to_string(),
    });
}

/// Whether the answer is a transaction that is in no block.
fn waits(call: &Call) -> bool {
    let result = &call.answer["result"];
    call.method == "eth_getTransactionByHash"
        && result.is_object()
        && result["blockNumber"].is_null()
}

fn differ(
    client: &'static str,
    call: &Call,
    ours: &Value,
    theirs: &Value,
    at: &str,
    findings: &mut Vec<Finding>,
) {
    let below = |field: &str| match at {
        "" => field.to_owned(),
        at => format!("{at}.{field}"),
    };
    match (ours, theirs) {
        (ours, theirs) if ours == theirs => {}
        (Value::Object(ours), Value::Object(theirs)) => {
            let absent = json!("(absent)");
            let fields = ours
                .keys()
                .chain(theirs.keys().filter(|field| !ours.contains_key(*field)));
            for field in fields {
                let ours = ours.get(field).unwrap_or(&absent);
                let theirs = theirs.get(field).unwrap_or(&absent);
                differ(client, call, ours, theirs, &below(field), findings);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (ours, theirs) in ours.iter().zip(theirs) {
                differ(client, call, ours, theirs, &below("*"), findings);
            }
        }
        (ours, theirs) => findings.push(Finding {
            client,
            method: call.method.clone(),
            params: call.params.to_string(),
            at: if at.is_empty() { "outcome" } else { at }.to_owned(),
            ours: plain(ours),
            theirs: plain(theirs),
        }),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[test]
fn a_star_stands_for_anything() {
    assert!(like("eth_get*", "eth_getLogs"));
    assert!(like("*.blockTimestamp", "result.*.blockTimestamp"));
    assert!(like("a*c*e", "abcde"));
    assert!(!like("eth_get*", "eth_call"));
    assert!(!like("a*c", "ab"));
}

#[test]
fn a_difference_is_found_where_it_is() {
    let recording = |root: &str, hash: &str| Recording {
        exchanges: vec![super::recorder::Exchange {
            request: json!({"id": 1, "method": "eth_getBlockByNumber", "params": ["0x1", false]})
                .to_string(),
            status: 200,
            answer: json!({"jsonrpc": "2.0", "id": 1, "result":
                {"number": "0x1", "hash": hash, "parentHash": "0x00", "stateRoot": root}})
            .to_string(),
        }],
        told: Vec::new(),
    };
    let hash = |byte: u8| format!("0x{}", format!("{byte:02x}").repeat(32));
    let ours = calls(&recording("0x0", &hash(1)), &json!([]));
    let theirs = calls(&recording("0x7", &hash(2)), &json!([]));
    for findings in [
        in_order("raw", &ours, &theirs),
        by_arguments("raw", &ours, &theirs),
    ] {
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].at, "result.stateRoot");
    }
}
