//! Deal parameters: what the requester tells the app, in the `params` of the request order.
//!
//! `params` is a JSON object whose keys iExec's clients and this project know (see [`DealParams`]); a string that is
//! no JSON object is plain arguments. Keys nobody here knows are kept. Arguments are split as a shell would split
//! them, and nothing else of a shell: no variables, no globs.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What the requester wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DealParams {
    /// The arguments, one line, split as a shell would.
    #[serde(
        default,
        rename = "iexec_args",
        skip_serializing_if = "Option::is_none"
    )]
    pub args: Option<String>,
    /// Arguments made per task, `{index}`, `{first}` and `{size}` replaced; comes before `iexec_args`.
    #[serde(
        default,
        rename = "oxec_args_template",
        skip_serializing_if = "Option::is_none"
    )]
    pub args_template: Option<String>,
    /// Input files.
    #[serde(
        default,
        rename = "iexec_input_files",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub input_files: Vec<Input>,
    /// Names of requester secrets by their number.
    #[serde(
        default,
        rename = "iexec_secrets",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub secrets: BTreeMap<String, String>,
    /// Whether the result is encrypted for the beneficiary.
    #[serde(
        default,
        rename = "iexec_result_encryption",
        skip_serializing_if = "Option::is_none"
    )]
    pub result_encryption: Option<bool>,
    /// Where the result is to be stored; `ipfs` unless said.
    #[serde(
        default,
        rename = "iexec_result_storage_provider",
        skip_serializing_if = "Option::is_none"
    )]
    pub storage_provider: Option<String>,
    /// A result proxy of the requester's choice; pools need not obey.
    #[serde(
        default,
        rename = "iexec_result_storage_proxy",
        skip_serializing_if = "Option::is_none"
    )]
    pub storage_proxy: Option<String>,
    /// Content address of a list of datasets.
    #[serde(default, rename = "bulk_cid", skip_serializing_if = "Option::is_none")]
    pub bulk_cid: Option<String>,
    /// Whether the app asks for network.
    #[serde(
        default,
        rename = "oxec_network",
        skip_serializing_if = "Option::is_none"
    )]
    pub network: Option<bool>,
    /// Keys nobody here knows.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// What can be wrong with deal parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadParams {
    /// A JSON object, but a known key has a value of another kind.
    #[error("deal parameters: {reason}")]
    Value {
        /// What the parser says.
        reason: String,
    },
    /// Arguments a shell would not split: a quote is left open.
    #[error(
        "deal parameters: {key} cannot be split into arguments, a quote is not closed: {text:?}"
    )]
    Quotes {
        /// Whose value.
        key: &'static str,
        /// The arguments.
        text: String,
    },
}

impl DealParams {
    /// Reads the `params` of a request order or a deal.
    pub fn parse(params: &str) -> Result<Self, BadParams> {
        match serde_json::from_str::<Value>(params) {
            Ok(json @ Value::Object(_)) => {
                serde_json::from_value(json).map_err(|error| BadParams::Value {
                    reason: error.to_string(),
                })
            }
            // Words that happen to be JSON (a number, `true`, a quoted string) are arguments too.
            _ if params.trim().is_empty() => Ok(Self::default()),
            _ => Ok(Self {
                args: Some(params.to_owned()),
                ..Self::default()
            }),
        }
    }

    /// The text for a request order. Keys come in alphabetical order, so equal parameters give equal text.
    #[must_use]
    pub fn to_params(&self) -> String {
        // Strings, booleans and maps with string keys: there is nothing serde_json could refuse.
        serde_json::to_value(self)
            .map(|json| json.to_string())
            .unwrap_or_default()
    }

    /// The arguments of the task at `index`, in a deal of `size` tasks from `first` on: the template's, then
    /// `iexec_args`. Words are split before they are filled in, so a filled-in number never splits a word.
    pub fn args_for(&self, index: u64, first: u64, size: u64) -> Result<Vec<String>, BadParams> {
        let split = |key: &'static str, text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default();
            shell_words::split(text).map_err(|_| BadParams::Quotes {
                key,
                text: text.to_owned(),
            })
        };
        let mut args = split("oxec_args_template", &self.args_template)?;
        for arg in &mut args {
            *arg = fill(arg, index, first, size);
        }
        args.extend(split("iexec_args", &self.args)?);
        Ok(args)
    }
}

/// Replaces `{index}`, `{first}` and `{size}`; other braces stand as they are.
fn fill(template: &str, index: u64, first: u64, size: u64) -> String {
    template
        .replace("{index}", &index.to_string())
        .replace("{first}", &first.to_string())
        .replace("{size}", &size.to_string())
}

/// An input file: a URL, perhaps pinned by `#sha256=<hex>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Input {
    /// The URL, as the requester wrote it, pin included.
    pub text: String,
}

/// A pin that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input {url:?}: the pin after #sha256= is not 64 hexadecimal digits")]
pub struct BadPin {
    url: String,
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self { text }
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }
}

impl Input {
    /// The URL without what follows `#`: what to fetch.
    #[must_use]
    pub fn url(&self) -> &str {
        self.text.split('#').next().unwrap_or_default()
    }

    /// The sha256 the bytes must have, if the requester said so.
    pub fn pin(&self) -> Result<Option<B256>, BadPin> {
        let Some((_, fragment)) = self.text.split_once('#') else {
            return Ok(None);
        };
        let Some(digits) = fragment
            .split('&')
            .find_map(|part| part.strip_prefix("sha256="))
        else {
            return Ok(None);
        };
        let bad = || BadPin {
            url: self.text.clone(),
        };
        if digits.starts_with("0x") {
            return Err(bad());
        }
        digits.parse().map(Some).map_err(|_| bad())
    }

    /// The name under which every app finds it in `/iexec_in`: the sha256 of the URL as written, in hexadecimal.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!(
            "{:x}",
            B256::from_slice(&Sha256::digest(self.text.as_bytes()))
        )
    }

    /// The name a person would give it: the `filename` of the query, else the last segment of the path. `None` when
    /// that is no plain file name.
    #[must_use]
    pub fn base_name(&self) -> Option<String> {
        let url = self.url();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let after_host = path.split_once("://").map_or(path, |(_, rest)| rest);
        let named = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("filename="));
        let segment = after_host.rsplit_once('/').map(|(_, last)| last);
        let name = percent_decode(named.or(segment)?)?;
        let plain = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\\', '\0']);
        plain.then_some(name)
    }
}

/// `%41` to `A`; `None` where the result is not UTF-8 or a `%` stands alone.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(params: &str) -> Vec<String> {
        DealParams::parse(params)
            .expect("parameters")
            .args_for(7, 5, 4)
            .expect("arguments")
    }

    #[test]
    fn a_string_that_is_no_object_is_arguments() {
        assert_eq!(
            args("one 'two words' \"three\""),
            ["one", "two words", "three"]
        );
        assert_eq!(args("42"), ["42"]);
        assert_eq!(args("{not json"), ["{not", "json"]);
        assert_eq!(args(""), Vec::<String>::new());
        assert_eq!(args("  "), Vec::<String>::new());
    }

    #[test]
    fn a_template_is_filled_in_per_task_and_comes_first() {
        let params = r#"{"iexec_args":"-v","oxec_args_template":"--part {index}of{size} --from={first} '{x} {index}'"}"#;
        assert_eq!(args(params), ["--part", "7of4", "--from=5", "{x} 7", "-v"]);
    }

    #[test]
    fn an_open_quote_is_refused_with_the_text() {
        let params = DealParams::parse(r#"{"iexec_args":"it's"}"#).expect("JSON");
        let refusal = params.args_for(0, 0, 1).expect_err("the quote is open");
        assert_eq!(
            refusal,
            BadParams::Quotes {
                key: "iexec_args",
                text: "it's".to_owned()
            }
        );
    }

    #[test]
    fn a_known_key_of_another_kind_is_refused() {
        for params in [
            r#"{"iexec_args":1}"#,
            r#"{"iexec_input_files":"x"}"#,
            r#"{"oxec_network":"yes"}"#,
        ] {
            assert!(
                matches!(DealParams::parse(params), Err(BadParams::Value { .. })),
                "{params}"
            );
        }
    }

    #[test]
    fn every_key_survives_and_unknown_ones_too() {
        let params = r#"{"bulk_cid":"Qm","iexec_args":"a","iexec_developer_logger":true,"iexec_input_files":["https://x/y"],"iexec_result_encryption":false,"iexec_result_storage_provider":"ipfs","iexec_result_storage_proxy":"https://p","iexec_secrets":{"1":"key"},"oxec_args_template":"{index}","oxec_network":true}"#;
        let parsed = DealParams::parse(params).expect("parameters");
        assert_eq!(parsed.secrets["1"], "key");
        assert_eq!(parsed.others["iexec_developer_logger"], true);
        let again: Value = serde_json::from_str(&parsed.to_params()).expect("JSON");
        assert_eq!(again, serde_json::from_str::<Value>(params).expect("JSON"));
        assert_eq!(DealParams::default().to_params(), "{}");
    }

    #[test]
    fn an_input_may_be_pinned() {
        let hex = "ab".repeat(32);
        let pinned = Input::from(format!(
            "http://door/ipfs/bafk?filename=tile%201.svg#sha256={hex}"
        ));
        assert_eq!(pinned.url(), "http://door/ipfs/bafk?filename=tile%201.svg");
        assert_eq!(pinned.pin(), Ok(Some(B256::repeat_byte(0xab))));
        assert_eq!(pinned.base_name().as_deref(), Some("tile 1.svg"));
        assert_eq!(Input::from("https://x/y#part").pin(), Ok(None));
        for bad in [
            "https://x/y#sha256=12",
            "https://x/y#sha256=",
            "https://x/y#sha256=0xab",
        ] {
            assert!(Input::from(bad).pin().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_input_is_named_by_its_url_and_by_its_base_name() {
        let input = Input::from("https://example.com/a/b.csv");
        // sha256 of the URL, as existing apps look for it.
        assert_eq!(
            input.file_name(),
            format!(
                "{:x}",
                crate::result::sha256(b"https://example.com/a/b.csv")
            )
        );
        for (url, name) in [
            ("https://example.com/a/b.csv", Some("b.csv")),
            ("https://example.com/a/b.csv?x=1", Some("b.csv")),
            ("https://example.com/a/?filename=c.txt", Some("c.txt")),
            ("https://example.com/", None),
            ("https://example.com", None),
            ("https://example.com/..", None),
            ("https://example.com/%2e%2e%2fetc", None),
            ("https://example.com/x?filename=..%2Fy", None),
            ("https://example.com/%zz", None),
        ] {
            assert_eq!(Input::from(url).base_name().as_deref(), name, "{url}");
        }
    }
}
