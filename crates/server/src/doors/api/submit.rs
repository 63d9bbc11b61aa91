//! `POST /api/packages/{ns}/{name}/releases`: an act that releases a version, and its content, in one round trip.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wargate_core::act::{Act, Step};
use wargate_core::name::{LogName, PackageName};
use wargate_registry::{HandedIn, SignedAct, Submitted};
use wargate_wire::api::{ACT_FIELD, CONTENT_FIELD, ReleasedBody, SignedActBody};
use wargate_wire::text::Text;

use super::error::Failed;
use super::{parse, proposals};
use crate::http;
use crate::http::form::Form;
use crate::limits::{ACT_BODY_BYTES_MAX, REFUSED_FORM_BYTES_MAX, RELEASE_WAIT};
use crate::router::Door;

/// Takes in `multipart/form-data`: the field `act`, and after it, unless it is stored here already, `content`.
pub(super) async fn release(
    door: Door,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let name: PackageName = parse(&format!("{namespace}:{name}"))?;
    let mut form = Form::new(&headers, body)?;
    let outcome = take(&door, &name, &mut form).await;
    if outcome.is_err() {
        form.drain(REFUSED_FORM_BYTES_MAX).await;
    }
    let submitted = match outcome? {
        HandedIn::Carried(submitted) => submitted,
        HandedIn::Proposed(proposal) => {
            return Ok(http::json(StatusCode::ACCEPTED, &proposals::told(*proposal)));
        }
    };
    let status = if submitted.before { StatusCode::OK } else { StatusCode::CREATED };
    Ok(http::json(status, &told(name, submitted)?))
}

async fn take(door: &Door, name: &PackageName, form: &mut Form) -> Result<HandedIn, Failed> {
    if form.next_field().await?.as_deref() != Some(ACT_FIELD) {
        return Err(Failed::bad_request("the form's first field must be `act`"));
    }
    let act = form.whole_field(ACT_BODY_BYTES_MAX).await?;
    let act: SignedActBody = serde_json::from_slice(&act)
        .map_err(|error| Failed::bad_request(format!("the field `act` is malformed: {error}")))?;
    let act = SignedAct {
        log: LogName::Package(name.clone()),
        act: act.act.0.into(),
        endorsements: act.endorsements.into_iter().map(Into::into).collect(),
    };
    check_releases_one(&act)?;
    match form.next_field().await?.as_deref() {
        None => {}
        Some(CONTENT_FIELD) => {
            let mut content = door.registry.begin_act_content(&act, None).await?;
            while let Some(piece) = form.next_piece().await? {
                content.write(piece).await?;
            }
            if form.next_field().await?.is_some() {
                return Err(Failed::bad_request("nothing may follow the form's field `content`"));
            }
            content.finish().await?;
        }
        Some(_) => return Err(Failed::bad_request("after `act` only the field `content` may follow")),
    }
    Ok(door.registry.submit(act, RELEASE_WAIT).await?)
}

fn check_releases_one(act: &SignedAct) -> Result<(), Failed> {
    let decoded = Act::decode(&act.act)
        .map_err(|error| Failed::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", error.to_string()))?;
    let releases = decoded.steps.iter().filter(|step| matches!(step, Step::Release(_))).count();
    if releases == 1 {
        return Ok(());
    }
    let message = format!("an act that is handed in here releases one version, this one {releases}");
    Err(Failed::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message))
}

fn told(name: PackageName, submitted: Submitted) -> Result<ReleasedBody, Failed> {
    let release =
        submitted.releases.into_iter().next().ok_or_else(|| {
            Failed::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the registry failed")
        })?;
    Ok(ReleasedBody {
        package: Text(name),
        version: Text(release.version),
        digest: Text(release.content),
        manifest: release.manifest.map(Text),
        record_id: Text(submitted.record),
        registry_index: submitted.index,
        before: submitted.before,
    })
}
