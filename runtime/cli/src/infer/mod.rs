//! `hotstage infer`: sends rows of a CSV file, or a complete request, to a server, and prints the
//! answer.

mod client;
pub(super) mod rows;
mod show;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use self::client::Client;
use super::check::Output;
use super::{CliError, Exit, console};
use hotstage_server::codecs::oip::document::{encode_request, parse_response};

/// Rows of one request.
const ROWS: usize = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model's name.
    model: String,
    /// A CSV file with a header, or a JSON file with an Open Inference Protocol request; - reads
    /// JSON from standard input.
    file: PathBuf,
    /// The version that answers [default: the newest].
    #[arg(long = "model-version", value_name = "VERSION")]
    version: Option<String>,
    /// URL of the server.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8000",
        env = "HOTSTAGE_URL"
    )]
    url: String,
    /// Format of the answer. JSON prints each answer of the server on its own line.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| CliError::new(Exit::Defect, error))?;
    runtime.block_on(ask(args))
}

async fn ask(args: &Args) -> Result<(), CliError> {
    let text = read(&args.file)?;
    let client = Client::new(&args.url)?;
    if rows::is_csv(&args.file) {
        return ask_rows(args, &client, &text).await;
    }
    let answer = client.post(&path(args, "/infer"), text.into()).await?;
    print(args, &answer, None)
}

async fn ask_rows(args: &Args, client: &Client, text: &[u8]) -> Result<(), CliError> {
    let about = client.get(&path(args, "")).await?;
    let about: Value =
        serde_json::from_slice(&about).map_err(|error| CliError::new(Exit::Failed, error))?;
    let refuse = |message: String| {
        CliError::new(Exit::Refused, format!("{}: {message}", args.file.display()))
    };
    let table = rows::Table::read(text).map_err(refuse)?;
    let plan = rows::Plan::new(&table, &about).map_err(refuse)?;
    if let Some(remark) = plan.remark(&table) {
        console::note(&remark);
    }
    for chunk in 0..table.rows().div_ceil(ROWS) {
        let rows = chunk * ROWS..table.rows().min((chunk + 1) * ROWS);
        let tensors = plan.tensors(&table, rows.clone()).map_err(refuse)?;
        let body = encode_request(None, &tensors).map_err(|failure| refuse(failure.message))?;
        let answer = client.post(&path(args, "/infer"), body.into()).await?;
        print(args, &answer, Some(&plan.beside(&table, rows)))?;
    }
    Ok(())
}

fn path(args: &Args, end: &str) -> String {
    let quote = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let version = args
        .version
        .as_deref()
        .map(|version| format!("/versions/{}", quote(version)))
        .unwrap_or_default();
    format!("/v2/models/{}{version}{end}", quote(&args.model))
}

fn print(args: &Args, answer: &Bytes, beside: Option<&show::Columns>) -> Result<(), CliError> {
    if args.output == Output::Json {
        console::print(&String::from_utf8_lossy(answer));
        return Ok(());
    }
    let outputs = parse_response(answer, None)
        .map_err(|failure| CliError::new(Exit::Failed, failure.message))?;
    console::print(&show::table(&outputs, beside));
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map_err(|error| {
        CliError::new(
            Exit::Refused,
            format!("can't read {}: {error}", path.display()),
        )
    })
}
