//! `oxec result fetch`: download, check against the chain, unpack.

use std::path::PathBuf;

use sdk::result::Limits;

use crate::{arguments::ResultCommand, context::Context};

pub async fn run(context: Context, result: ResultCommand) -> anyhow::Result<()> {
    let ResultCommand::Fetch { task, out } = result;
    let chain = context.chain().await?;
    let out = out.unwrap_or_else(|| PathBuf::from(&task.to_string()[..10]));
    let fetched =
        sdk::result::fetch(&chain, task, &context.pool()?, &out, Limits::default()).await?;
    context.output.answer(&fetched, || {
        let mut words = match (&fetched.folder, &fetched.callback) {
            (Some(folder), _) => format!("{}\n", folder.display()),
            (None, Some(data)) => format!("the result went to a contract: {data}\n"),
            (None, None) => String::new(),
        };
        words.push_str(&format!(
            "checked against the digest on chain, {}\n",
            fetched.digest
        ));
        for file in &fetched.files {
            let mark = if file.verified {
                ""
            } else {
                "  unverified: one worker's word, not covered by the digest"
            };
            words.push_str(&format!(
                "  {:>12} bytes  {}{mark}\n",
                file.length, file.path
            ));
        }
        words
    })
}
