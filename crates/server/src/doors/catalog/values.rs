//! The registry's values as our own JSON's: texts instead of types.

use wargate_component::inspection as found;
use wargate_core::act::Identity;
use wargate_core::key::KeyId;
use wargate_core::time::Time;
use wargate_registry::{
    Beginning, Committed, Extent, Ground, PackagePage, PackageView, Proposal, ReleaseView, Remark,
};
use wargate_wire::api;

pub(super) mod keys;

pub(super) fn list(page: &PackagePage, query: Option<String>, checkpoint: &Committed) -> api::PackageList {
    let packages: Vec<_> = page.packages.iter().map(summary).collect();
    let next = page.next.as_ref().map(ToString::to_string);
    api::PackageList { packages, next, query, checkpoint: checkpoint_of(checkpoint) }
}

fn summary(package: &PackageView) -> api::PackageSummary {
    let updated = package.releases.iter().map(|release| release.time).max();
    api::PackageSummary {
        name: package.name.to_string(),
        latest: package.latest().map(|release| release.version.to_string()),
        kind: package.latest().and_then(|release| kind(release.kind.as_deref())),
        description: description(package),
        releases: package.releases.len() as u64,
        updated: time(updated.unwrap_or(Time::from_seconds(0))),
    }
}

fn description(package: &PackageView) -> Option<String> {
    package.inspection.as_ref().and_then(|inspection| inspection.metadata.description.clone())
}

pub(super) fn package(package: &PackageView, waiting: Vec<Proposal>, checkpoint: &Committed) -> api::Package {
    api::Package {
        name: package.name.to_string(),
        namespace: package.name.namespace().to_string(),
        description: description(package),
        latest: package.latest().map(|release| release.version.to_string()),
        log_id: package.log.to_string(),
        log_kind: log_kind(package),
        owners: ids(&package.owners),
        guarded_by: package.guard,
        began: package.began.as_ref().map(beginning),
        imported_from: package.imported_from.clone(),
        deprecated: package.deprecated.as_ref().map(deprecation),
        notes: package.notes.iter().map(note).collect(),
        releases: package.releases.iter().map(release_summary).collect(),
        waiting: waiting.into_iter().map(waits).collect(),
        checkpoint: checkpoint_of(checkpoint),
    }
}

fn waits(proposal: Proposal) -> api::Waiting {
    api::Waiting {
        proposal: proposal.id.to_string(),
        says: proposal.says,
        lacks: proposal.lacks.unwrap_or_default(),
        handed_in_by: proposal.handed_in_by,
        not_after: time(proposal.not_after),
    }
}

fn release_summary(release: &ReleaseView) -> api::ReleaseSummary {
    api::ReleaseSummary {
        version: release.version.to_string(),
        kind: kind(release.kind.as_deref()),
        digest: release.content.to_string(),
        size: release.size,
        signed_by: signed_by(release),
        time: time(release.time),
        yanked: yank(release),
        taken_down: taken_down(release),
        distrusted: release.distrusted,
        deprecated: release.deprecated.as_ref().map(deprecation),
    }
}

pub(super) fn release(
    package: &PackageView,
    release: &ReleaseView,
    inspection: Option<&found::Inspection>,
    checkpoint: &Committed,
) -> api::Release {
    api::Release {
        name: package.name.to_string(),
        namespace: package.name.namespace().to_string(),
        version: release.version.to_string(),
        latest: package.latest().map(|latest| latest.version.to_string()),
        kind: kind(release.kind.as_deref()),
        digest: release.content.to_string(),
        size: release.size,
        manifest_digest: release.manifest.map(|manifest| manifest.to_string()),
        signed_by: signed_by(release),
        time: time(release.time),
        yanked: yank(release),
        taken_down: taken_down(release),
        distrusted: release.distrusted,
        deprecated: release.deprecated.as_ref().or(package.deprecated.as_ref()).map(deprecation),
        notes: release.note.iter().chain(&package.notes).map(note).collect(),
        guarded_by: release.guard,
        record: api::RecordPlace {
            log_index: release.index,
            record_id: release.record.to_string(),
            log_id: package.log.to_string(),
            log_kind: log_kind(package),
        },
        inspection: inspection.map(inspected),
        checkpoint: checkpoint_of(checkpoint),
    }
}

fn checkpoint_of(committed: &Committed) -> api::Checkpoint {
    let checkpoint = &committed.signed.checkpoint;
    let seconds = i64::try_from(checkpoint.time).unwrap_or(i64::MAX);
    api::Checkpoint {
        size: checkpoint.size,
        time: time(Time::from_seconds(seconds)),
        root: checkpoint.root.to_string(),
    }
}

/// RFC 3339, to the second.
fn time(time: Time) -> String {
    jiff::Timestamp::from_second(time.seconds()).map_or_else(|_| String::new(), |time| time.to_string())
}

fn kind(kind: Option<&str>) -> Option<api::Kind> {
    [api::Kind::Component, api::Kind::Wit, api::Kind::Module]
        .into_iter()
        .find(|one| Some(one.as_str()) == kind)
}

fn log_kind(package: &PackageView) -> api::LogKind {
    if package.delegated { api::LogKind::Delegated } else { api::LogKind::V1 }
}

fn signed_by(release: &ReleaseView) -> api::SignedBy {
    api::SignedBy {
        level: release.level.into(),
        key_ids: ids(&release.keys),
        on_behalf_of: release.on_behalf_of.as_ref().map(|somebody| api::OnBehalfOf {
            subject_kind: match somebody.identity {
                Identity::Oidc => api::Subject::Oidc,
                Identity::Account => api::Subject::Account,
            },
            issuer: somebody.issuer.clone(),
            subject: somebody.subject.clone(),
        }),
    }
}

fn yank(release: &ReleaseView) -> Option<api::Yank> {
    let yanked = release.yanked.as_ref()?;
    Some(api::Yank { time: time(yanked.time), reason: yanked.reason.clone(), key_ids: ids(&yanked.keys) })
}

fn deprecation(said: &Remark) -> api::Deprecation {
    api::Deprecation { extent: extent(said.extent), message: said.message.clone(), time: time(said.time) }
}

fn beginning(began: &Beginning) -> api::Beginning {
    let ground = match began.ground {
        Ground::Unclaimed => api::Ground::Unclaimed,
        Ground::BeforeClaim => api::Ground::BeforeClaim,
        Ground::Admitted => api::Ground::Admitted,
    };
    api::Beginning { key_id: began.key.to_string(), ground }
}

fn note(said: &Remark) -> api::Note {
    api::Note { extent: extent(said.extent), message: said.message.clone(), time: time(said.time) }
}

fn extent(extent: Extent) -> api::Extent {
    match extent {
        Extent::Release => api::Extent::Release,
        Extent::Package => api::Extent::Package,
        Extent::Namespace => api::Extent::Namespace,
    }
}

fn ids(keys: &[KeyId]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn taken_down(release: &ReleaseView) -> Option<api::TakenDown> {
    let takedown = release.taken_down.as_ref()?;
    Some(api::TakenDown {
        reason: takedown.reason.clone(),
        until: takedown.not_after.map(time),
        time: time(takedown.time),
        record_id: takedown.record.to_string(),
    })
}

fn inspected(inspection: &found::Inspection) -> api::Inspection {
    let core = inspection.core.clone().unwrap_or_default();
    let metadata = &inspection.metadata;
    api::Inspection {
        validator: inspection.validator.clone(),
        experimental: inspection.experimental,
        features: inspection.features.clone(),
        package: inspection.package.as_ref().map(package_id),
        imports: inspection.imports.iter().map(external).collect(),
        exports: inspection.exports.iter().map(external).collect(),
        core_imports: core
            .imports
            .iter()
            .map(|one| core_external(Some(&one.module), &one.name, one.sort))
            .collect(),
        core_exports: core.exports.iter().map(|one| core_external(None, &one.name, one.sort)).collect(),
        core_left_out: core.left_out,
        targets: inspection.targets.clone(),
        core_modules: inspection.core_modules,
        nested: inspection
            .nested
            .iter()
            .map(|one| api::Nested { digest: one.digest.clone(), size: one.size })
            .collect(),
        metadata: claims(metadata),
        producers: metadata.producers.iter().map(producer).collect(),
        sections: metadata
            .sections
            .iter()
            .map(|one| api::CustomSection { name: one.name.clone(), size: one.size })
            .collect(),
        wit: inspection.wit.as_ref().map(wit),
        warnings: inspection.warnings.clone(),
    }
}

fn package_id(id: &found::PackageId) -> String {
    let version = id.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
    format!("{}:{}{version}", id.namespace, id.name)
}

fn external(one: &found::Extern) -> api::Extern {
    api::Extern {
        name: one.name.clone(),
        sort: sort(one.sort),
        implements: one.implements.clone(),
        external_id: one.external_id.clone(),
        interface: one.interface.as_ref().map(|name| api::InterfaceName {
            namespace: name.namespace.clone(),
            package: name.package.clone(),
            interface: name.interface.clone(),
            version: name.version.clone(),
            track: name.track.clone(),
        }),
    }
}

fn core_external(module: Option<&String>, name: &str, of: found::Sort) -> api::CoreExtern {
    api::CoreExtern { module: module.cloned(), name: name.to_owned(), sort: sort(of) }
}

/// The word that serde writes, which is the component model's.
fn sort(sort: found::Sort) -> String {
    serde_json::to_value(sort).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn claims(metadata: &found::Metadata) -> api::Metadata {
    api::Metadata {
        name: metadata.name.clone(),
        authors: metadata.authors.clone(),
        description: metadata.description.clone(),
        licenses: metadata.licenses.clone(),
        licenses_spdx: metadata.licenses_spdx,
        source: metadata.source.clone(),
        homepage: metadata.homepage.clone(),
        revision: metadata.revision.clone(),
        version: metadata.version.clone(),
    }
}

fn producer(one: &found::Producer) -> api::Producer {
    api::Producer { field: one.field.clone(), name: one.name.clone(), version: one.version.clone() }
}

fn wit(view: &found::WitView) -> api::Wit {
    api::Wit {
        text: view.text.clone(),
        interfaces: view.interfaces.iter().map(|one| one.name.clone()).collect(),
        worlds: view.worlds.iter().map(|one| one.name.clone()).collect(),
        foreign: view.foreign.clone(),
    }
}
