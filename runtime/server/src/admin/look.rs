//! Questions: what is served, what was, and what the server is.

use std::sync::Arc;

use serde_json::Value;

use super::asked::Asked;
use super::query::shown;
use super::refusal::Refusal;
use super::{Admin, openapi, table};
use crate::api::{Answered, History, ModelInfo, Page, PipelineInfo, RevisionInfo, Status, Verified};

pub(super) async fn status(admin: Arc<Admin>, _: Asked<()>) -> Result<Status, Refusal> {
    Ok(admin.control.status())
}

pub(super) async fn models(admin: Arc<Admin>, asked: Asked<()>) -> Result<Page, Refusal> {
    Ok(admin.control.page(asked.query.text("after"), asked.query.limit()?))
}

pub(super) async fn model(admin: Arc<Admin>, asked: Asked<()>) -> Result<ModelInfo, Refusal> {
    Ok(admin.control.model(asked.place("name"))?)
}

pub(super) async fn pipeline(admin: Arc<Admin>, asked: Asked<()>) -> Result<PipelineInfo, Refusal> {
    Ok(admin.control.pipeline(asked.place("name"), Some(asked.place("version"))).await?)
}

pub(super) async fn answered(admin: Arc<Admin>, asked: Asked<()>) -> Result<Answered, Refusal> {
    let time = asked.query.text("time").unwrap_or_default();
    Ok(admin.control.answered(asked.place("name"), time).await?)
}

pub(super) async fn history(admin: Arc<Admin>, asked: Asked<()>) -> Result<History, Refusal> {
    Ok(admin.control.history(asked.query.number("before"), asked.query.limit()?).await?)
}

pub(super) async fn revision(admin: Arc<Admin>, asked: Asked<()>) -> Result<RevisionInfo, Refusal> {
    let text = asked.place("number");
    let number = text.parse();
    let number = number.map_err(|_| Refusal::invalid(format!("`{}` is no revision's number", shown(text))))?;
    Ok(admin.control.revision(number).await?)
}

pub(super) async fn verify(admin: Arc<Admin>, _: Asked<()>) -> Result<Verified, Refusal> {
    Ok(admin.control.verify().await?)
}

/// This description itself.
pub(super) async fn describe(_: Arc<Admin>, _: Asked<()>) -> Result<Value, Refusal> {
    Ok(openapi::document(&table::ENDPOINTS))
}
