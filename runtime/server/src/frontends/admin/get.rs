//! Read-only endpoints: what is served, the history, and the server's state.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::query::shown;
use super::refusal::Refusal;
use super::request::AdminRequest;
use super::{Admin, openapi, table};
use hotstage_client::{
    Answered, ExperimentInfo, History, Mirrors, ModelInfo, Order, Page, PipelineInfo, RevisionInfo,
    RolloutInfo, Status, Traffic, Verified,
};

/// Measuring interval in milliseconds: default, minimum and maximum.
const INTERVAL: u64 = 1000;
const INTERVAL_MIN: u64 = 50;
const INTERVAL_MAX: u64 = 60_000;

pub(super) async fn status(admin: Arc<Admin>, _: AdminRequest<()>) -> Result<Status, Refusal> {
    Ok(admin.control.status())
}

pub(super) async fn traffic(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<Traffic, Refusal> {
    let interval = asked.query.number("interval_ms").unwrap_or(INTERVAL);
    if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        let message = format!("`interval_ms` is {INTERVAL_MIN} to {INTERVAL_MAX}, not {interval}");
        return Err(Refusal::invalid(message));
    }
    let word = asked.query.text("order").unwrap_or(Order::default().word());
    let Some(order) = Order::parse(word) else {
        let words = Order::ALL.map(Order::word).join(", ");
        return Err(Refusal::invalid(format!(
            "`order` is one of {words}, not `{}`",
            shown(word)
        )));
    };
    let (limit, part) = (
        asked.query.limit()?,
        asked.query.text("name").unwrap_or_default(),
    );
    Ok(admin
        .control
        .traffic(Duration::from_millis(interval), order, limit, part)
        .await)
}

pub(super) async fn models(admin: Arc<Admin>, asked: AdminRequest<()>) -> Result<Page, Refusal> {
    Ok(admin
        .control
        .page(asked.query.text("after"), asked.query.limit()?))
}

pub(super) async fn model(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<ModelInfo, Refusal> {
    Ok(admin.control.model(asked.place("name"))?)
}

pub(super) async fn rollout(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<RolloutInfo, Refusal> {
    Ok(admin.control.rollout(asked.place("name")).await?)
}

pub(super) async fn mirrors(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<Mirrors, Refusal> {
    Ok(admin.control.mirrors(asked.place("name"))?)
}

pub(super) async fn experiment(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<ExperimentInfo, Refusal> {
    Ok(admin.control.experiment(asked.place("name")).await?)
}

pub(super) async fn pipeline(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<PipelineInfo, Refusal> {
    Ok(admin
        .control
        .pipeline(asked.place("name"), Some(asked.place("version")))
        .await?)
}

pub(super) async fn answered(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<Answered, Refusal> {
    let time = asked.query.text("time").unwrap_or_default();
    Ok(admin.control.answered(asked.place("name"), time).await?)
}

pub(super) async fn history(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<History, Refusal> {
    Ok(admin
        .control
        .history(asked.query.number("before"), asked.query.limit()?)
        .await?)
}

pub(super) async fn revision(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<RevisionInfo, Refusal> {
    let text = asked.place("number");
    let number = text.parse();
    let number = number
        .map_err(|_| Refusal::invalid(format!("`{}` is not a revision number", shown(text))))?;
    Ok(admin.control.revision(number).await?)
}

pub(super) async fn verify(admin: Arc<Admin>, _: AdminRequest<()>) -> Result<Verified, Refusal> {
    Ok(admin.control.verify().await?)
}

/// The OpenAPI document.
pub(super) async fn describe(_: Arc<Admin>, _: AdminRequest<()>) -> Result<Value, Refusal> {
    Ok(openapi::document(&table::ENDPOINTS))
}
