//! A node that is behind: questions about "latest" go to an older block, and what happened after it is hidden.

use serde_json::{Value, json};

/// A quantity in hex.
pub(super) fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// Where a method's parameters name a block.
fn block_parameter(method: &str) -> Option<usize> {
    match method {
        "eth_getBlockByNumber"
        | "eth_getBlockReceipts"
        | "eth_getBlockTransactionCountByNumber" => Some(0),
        "eth_call"
        | "eth_estimateGas"
        | "eth_getBalance"
        | "eth_getCode"
        | "eth_getTransactionCount" => Some(1),
        "eth_getStorageAt" => Some(2),
        _ => None,
    }
}

/// The call as it is put to a node that is up to date, or what one that is behind would answer.
pub(super) fn look_back(mut call: Value, horizon: u64) -> Result<Value, Value> {
    let newest = json!(format!("{horizon:#x}"));
    let method = call["method"].as_str().unwrap_or_default().to_owned();
    if method == "eth_blockNumber" {
        return Err(newest);
    }
    if method == "eth_getLogs" {
        let filter = &mut call["params"][0];
        if filter.get("blockHash").is_some() {
            return Ok(call);
        }
        if number(&filter["fromBlock"]).is_some_and(|from| from > horizon) {
            return Err(json!([]));
        }
        for end in ["fromBlock", "toBlock"] {
            if is_newest(&filter[end]) || number(&filter[end]).is_some_and(|end| end > horizon) {
                filter[end] = newest.clone();
            }
        }
        return Ok(call);
    }
    let Some(place) = block_parameter(&method) else {
        return Ok(call);
    };
    let Some(params) = call["params"].as_array_mut() else {
        return Ok(call);
    };
    while params.len() <= place {
        params.push(Value::Null);
    }
    if is_newest(&params[place]) {
        params[place] = newest;
    } else if number(&params[place]).is_some_and(|number| number > horizon) {
        return Err(Value::Null);
    }
    Ok(call)
}

fn is_newest(block: &Value) -> bool {
    match block {
        Value::Null => true,
        Value::String(tag) => matches!(tag.as_str(), "latest" | "pending" | "safe" | "finalized"),
        _ => false,
    }
}

/// Takes out of an answer what happened after the horizon.
pub(super) fn hide(call: &Value, answer: &mut Value, horizon: u64) {
    let result = &mut answer["result"];
    let too_new = |value: &Value| number(value).is_some_and(|number| number > horizon);
    match call["method"].as_str().unwrap_or_default() {
        "eth_getTransactionReceipt" if too_new(&result["blockNumber"]) => *result = Value::Null,
        "eth_getBlockByHash" if too_new(&result["number"]) => *result = Value::Null,
        "eth_getTransactionByHash" if too_new(&result["blockNumber"]) => {
            for field in ["blockNumber", "blockHash", "transactionIndex"] {
                result[field] = Value::Null;
            }
        }
        // An answer without a result is an error, and indexing has just made it an empty one.
        _ => {
            if result.is_null()
                && let Some(answer) = answer.as_object_mut()
                && answer.contains_key("error")
            {
                answer.remove("result");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, params: Value) -> Value {
        json!({ "id": 1, "method": method, "params": params })
    }

    #[test]
    fn the_newest_block_is_the_horizon() {
        let asked = call("eth_getBlockByNumber", json!(["latest", false]));
        let put = look_back(asked, 16).expect("passed on");
        assert_eq!(put["params"], json!(["0x10", false]));
        let asked = call("eth_estimateGas", json!([{}]));
        let put = look_back(asked, 16).expect("passed on");
        assert_eq!(put["params"], json!([{}, "0x10"]));
        assert_eq!(
            look_back(call("eth_blockNumber", json!([])), 16),
            Err(json!("0x10"))
        );
        assert_eq!(
            look_back(call("eth_getBlockByNumber", json!(["0x11", false])), 16),
            Err(Value::Null)
        );
    }

    #[test]
    fn events_after_the_horizon_are_not_known_yet() {
        let range = |from: &str, to: &str| {
            call("eth_getLogs", json!([{ "fromBlock": from, "toBlock": to }]))
        };
        let put = look_back(range("0x1", "0x20"), 16).expect("passed on");
        assert_eq!(put["params"][0]["toBlock"], "0x10");
        assert_eq!(look_back(range("0x11", "latest"), 16), Err(json!([])));
    }

    #[test]
    fn a_receipt_after_the_horizon_is_not_known_yet() {
        let asked = call("eth_getTransactionReceipt", json!(["0x"]));
        let mut answer = json!({ "id": 1, "result": { "blockNumber": "0x11" } });
        hide(&asked, &mut answer, 16);
        assert_eq!(answer["result"], Value::Null);
        let mut answer = json!({ "id": 1, "error": { "code": 1 } });
        hide(&asked, &mut answer, 16);
        assert_eq!(answer, json!({ "id": 1, "error": { "code": 1 } }));
    }
}
