//! Endpoints that change what is served. Each change is recorded with its actor.

use std::sync::Arc;

use super::Admin;
use super::refusal::Refusal;
use super::request::AdminRequest;
use crate::control::ChangeOptions;
use hotstage_client::{
    Applied, ApplyRequest, Gc, GcRequest, LabelRequest, LabelsRequest, RollbackRequest,
    RolloutRequest, SteerRequest,
};

pub(super) async fn apply(
    admin: Arc<Admin>,
    asked: AdminRequest<ApplyRequest>,
) -> Result<Applied, Refusal> {
    Ok(admin
        .control
        .apply(&asked.actor, &asked.body, &asked.cancel)
        .await?)
}

pub(super) async fn delete_model(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<Applied, Refusal> {
    Ok(admin
        .control
        .delete(&asked.actor, asked.place("name"), None, &asked.query.ask())
        .await?)
}

pub(super) async fn delete_version(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<Applied, Refusal> {
    let (name, version) = (asked.place("name"), asked.place("version"));
    Ok(admin
        .control
        .delete(&asked.actor, name, Some(version), &asked.query.ask())
        .await?)
}

pub(super) async fn unroute(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<Applied, Refusal> {
    Ok(admin
        .control
        .unroute(&asked.actor, asked.place("name"), &asked.query.ask())
        .await?)
}

pub(super) async fn start_rollout(
    admin: Arc<Admin>,
    asked: AdminRequest<RolloutRequest>,
) -> Result<Applied, Refusal> {
    Ok(admin.control.rollout_of(&asked.actor, &asked.body).await?)
}

pub(super) async fn steer_rollout(
    admin: Arc<Admin>,
    asked: AdminRequest<SteerRequest>,
) -> Result<Applied, Refusal> {
    let SteerRequest {
        order,
        reason,
        if_revision,
    } = &asked.body;
    let ask = ChangeOptions {
        reason: reason.clone(),
        if_revision: *if_revision,
        dry_run: false,
    };
    Ok(admin
        .control
        .steer_rollout(&asked.actor, asked.place("name"), *order, &ask)
        .await?)
}

pub(super) async fn label(
    admin: Arc<Admin>,
    asked: AdminRequest<LabelRequest>,
) -> Result<Applied, Refusal> {
    let LabelRequest {
        version,
        reason,
        if_revision,
    } = &asked.body;
    let ask = ChangeOptions {
        reason: reason.clone(),
        if_revision: *if_revision,
        dry_run: false,
    };
    let (name, label) = (asked.place("name"), asked.place("label"));
    Ok(admin
        .control
        .label(&asked.actor, name, label, Some(version), &ask)
        .await?)
}

pub(super) async fn labels(
    admin: Arc<Admin>,
    asked: AdminRequest<LabelsRequest>,
) -> Result<Applied, Refusal> {
    Ok(admin
        .control
        .labels(&asked.actor, asked.place("name"), &asked.body)
        .await?)
}

pub(super) async fn unlabel(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<Applied, Refusal> {
    let (name, label) = (asked.place("name"), asked.place("label"));
    Ok(admin
        .control
        .label(&asked.actor, name, label, None, &asked.query.ask())
        .await?)
}

pub(super) async fn rollback(
    admin: Arc<Admin>,
    asked: AdminRequest<RollbackRequest>,
) -> Result<Applied, Refusal> {
    Ok(admin.control.rollback(&asked.actor, &asked.body).await?)
}

pub(super) async fn gc(admin: Arc<Admin>, asked: AdminRequest<GcRequest>) -> Result<Gc, Refusal> {
    Ok(admin.control.gc(&asked.body).await?)
}
