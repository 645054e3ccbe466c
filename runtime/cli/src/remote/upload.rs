//! Uploads the files that the server lacks, in parts, and resumes interrupted uploads.
//!
//! An interrupted upload is retried after growing pauses. Bound: [`TRIES_MAX`] attempts in a row
//! without progress.

use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use bytes::Bytes;
use hotstage_core::digest::Digest;
use http::{HeaderMap, HeaderName, Method};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::client::{Client, ClientError};
use super::gather::{Blob, Files};
use super::{CliError, Exit, console, show};

/// Bytes of a part.
const PART_BYTES: u64 = 4 << 20;
/// Attempts in a row without progress before the upload fails.
const TRIES_MAX: u32 = 6;
/// Half of the pause after the first attempt; each later pause is twice as long. Together they
/// outlast the time for which the server keeps an upload locked after its client disappeared.
const PAUSE: Duration = Duration::from_millis(250);

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

/// Uploads the missing files. Returns the number of bytes sent.
pub(super) async fn send(client: &mut Client, files: &Files) -> Result<u64, CliError> {
    let mut missing = Vec::new();
    for (digest, blob) in files {
        if let Some(offset) = patiently(client, digest).await? {
            missing.push((digest, blob, offset));
        }
    }
    let total = missing
        .iter()
        .map(|(_, blob, offset)| blob.bytes.saturating_sub(*offset))
        .sum();
    let mut meter = Meter::new(total);
    for (digest, blob, offset) in missing {
        meter.begin(blob, offset);
        one(client, digest, blob, offset, &mut meter).await?;
    }
    Ok(total)
}

/// The offset at which to resume. `None` if the server has all bytes.
async fn offset(client: &mut Client, digest: &Digest) -> Result<Option<u64>, ClientError> {
    match client
        .send(Method::HEAD, &path(digest), Vec::new(), Bytes::new())
        .await
    {
        Ok(answer) => place(&answer.headers),
        Err(trouble) if trouble.is_not_found() => Ok(Some(0)),
        Err(trouble) => Err(trouble),
    }
}

async fn patiently(client: &mut Client, digest: &Digest) -> Result<Option<u64>, CliError> {
    for tries in 1.. {
        match offset(client, digest).await {
            // An unreachable server is reported at once.
            Err(trouble @ ClientError::Said { .. }) if trouble.passes() && tries < TRIES_MAX => {
                pause(tries).await;
            }
            known => return Ok(known?),
        }
    }
    Ok(Some(0))
}

fn place(headers: &HeaderMap) -> Result<Option<u64>, ClientError> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    if text(COMPLETE) == Some("?1") {
        return Ok(None);
    }
    let offset = text(OFFSET).and_then(|offset| offset.parse().ok());
    offset.map(Some).ok_or_else(|| {
        ClientError::Strange("the server's answer lacks the upload's offset".to_owned())
    })
}

async fn one(
    client: &mut Client,
    digest: &Digest,
    blob: &Blob,
    start: u64,
    meter: &mut Meter,
) -> Result<(), CliError> {
    let mut known = Some(start);
    // The furthest offset of any attempt: sending bytes again is no progress.
    let mut furthest = start;
    let mut tries = 1;
    loop {
        let before = furthest;
        let trouble = match pour(client, digest, blob, known.take(), &mut furthest, meter).await {
            Ok(()) => return Ok(()),
            Err(Stop::Here(ending)) => return Err(ending),
            Err(Stop::ClientError(trouble)) => trouble,
        };
        tries = if furthest > before { 1 } else { tries + 1 };
        if !trouble.passes() || tries > TRIES_MAX {
            return Err(trouble.into());
        }
        meter.remark(&format!(
            "the upload was cut off; going on in {:?}",
            wait(tries)
        ));
        pause(tries).await;
    }
}

/// Why an attempt ended.
enum Stop {
    /// Because of the server or the network.
    ClientError(ClientError),
    /// Because of the local file.
    Here(CliError),
}

impl From<ClientError> for Stop {
    fn from(trouble: ClientError) -> Self {
        Self::ClientError(trouble)
    }
}

async fn pour(
    client: &mut Client,
    digest: &Digest,
    blob: &Blob,
    known: Option<u64>,
    furthest: &mut u64,
    meter: &mut Meter,
) -> Result<(), Stop> {
    let start = match known {
        Some(start) => Some(start),
        None => offset(client, digest).await?,
    };
    let Some(mut at) = start else { return Ok(()) };
    loop {
        meter.at(at);
        let part = part(blob, at).map_err(Stop::Here)?;
        let end = at + part.len() as u64;
        let is_last = end == blob.bytes;
        let headers = vec![
            (OFFSET, at.to_string()),
            (COMPLETE, if is_last { "?1" } else { "?0" }.to_owned()),
            (
                http::header::CONTENT_TYPE,
                "application/partial-upload".to_owned(),
            ),
        ];
        client
            .send(Method::PATCH, &path(digest), headers, part)
            .await?;
        at = end;
        *furthest = at.max(*furthest);
        if is_last {
            meter.at(at);
            return Ok(());
        }
    }
}

fn part(blob: &Blob, at: u64) -> Result<Bytes, CliError> {
    let shown = blob.path.display();
    let refuse = |what: String| CliError::new(Exit::Refused, format!("{shown} {what}"));
    let unreadable = |error: std::io::Error| refuse(format!("can't be read: {error}"));
    let length = blob
        .bytes
        .checked_sub(at)
        .ok_or_else(|| refuse("is shorter than the server's upload of it".into()))?;
    let length = length.min(PART_BYTES);
    let mut file = blob
        .open()
        .map_err(|error| CliError::new(Exit::Refused, error))?;
    file.seek(SeekFrom::Start(at)).map_err(unreadable)?;
    let mut part = Vec::new();
    file.take(length)
        .read_to_end(&mut part)
        .map_err(unreadable)?;
    if part.len() as u64 != length {
        return Err(refuse(
            "was changed while it was sent; try again".to_owned(),
        ));
    }
    Ok(part.into())
}

async fn pause(tries: u32) {
    tokio::time::sleep(wait(tries)).await;
}

fn wait(tries: u32) -> Duration {
    PAUSE * (1 << tries.min(TRIES_MAX))
}

fn path(digest: &Digest) -> String {
    format!("/v1/uploads/{digest}")
}

/// Shows the progress of the upload: a bar on a terminal, a line for each file elsewhere.
struct Meter {
    bar: Option<ProgressBar>,
    /// Bytes of the earlier files, less those of this file that were sent before.
    before: u64,
    start: u64,
    end: u64,
}

impl Meter {
    fn new(total: u64) -> Self {
        let is_shown = total > 0 && std::io::stderr().is_terminal();
        let bar = is_shown.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = "{bar:20} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left: {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            before: 0,
            start: 0,
            end: 0,
        }
    }

    fn begin(&mut self, blob: &Blob, offset: u64) {
        self.before += self.end - self.start;
        (self.start, self.end) = (offset.min(blob.bytes), blob.bytes);
        let shown = blob.path.display();
        match &self.bar {
            Some(bar) => bar.set_message(shown.to_string()),
            None if offset > 0 => {
                console::note(&format!(
                    "uploading {shown} ({}, from {offset} on)",
                    show::bytes(blob.bytes)
                ));
            }
            None => console::note(&format!("uploading {shown} ({})", show::bytes(blob.bytes))),
        }
    }

    fn remark(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => console::note(text),
        }
    }

    fn at(&self, offset: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.before + offset.saturating_sub(self.start));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
