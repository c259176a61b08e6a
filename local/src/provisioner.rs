//! Volumes for claims: one directory each, owned by the user that the platform's pods run as.
//!
//! It works on what the API server shows: a pending claim of our class gets a directory and a PersistentVolume made for it; a released
//! volume of ours is removed with its directory. Both steps can be repeated, so a restart loses nothing.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{
    HostPathVolumeSource, ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use kube_runtime::{WatchStreamExt, watcher};
use nix::unistd::{Gid, Uid, chown};

/// The default StorageClass of the local cluster. Its volumes can be mounted by any number of pods.
pub(crate) const CLASS: &str = "local-rwx";
pub(crate) const PROVISIONER: &str = "foodplatform.dev/local";

/// The user and group of the platform's containers. A hostPath volume knows no fsGroup, so its directory must be theirs.
const OWNER: u32 = 65532;

enum Change {
    Claim(Box<PersistentVolumeClaim>),
    Volume(Box<PersistentVolume>),
}

/// Serves claims of the cluster of `kubeconfig` with directories in `volumes`, until the process is ended.
///
/// # Errors
/// When the kubeconfig cannot be used.
pub async fn provision(kubeconfig: &Path, volumes: &Path) -> Result<()> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let provisioner = Provisioner { api: Api::all(client.clone()), directory: volumes.to_owned() };
    let claims = watcher(Api::<PersistentVolumeClaim>::all(client), watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .map(|claim| claim.map(|claim| Change::Claim(Box::new(claim))));
    let volumes = watcher(provisioner.api.clone(), watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .map(|volume| volume.map(|volume| Change::Volume(Box::new(volume))));
    let mut changes = stream::select(claims.boxed(), volumes.boxed());
    while let Some(change) = changes.next().await {
        let outcome = match change {
            Ok(Change::Claim(claim)) => provisioner.serve(&claim).await,
            Ok(Change::Volume(volume)) => provisioner.reclaim(&volume).await,
            Err(error) => Err(error.into()),
        };
        // One claim's trouble is no other's: it stays pending, and the log says why.
        if let Err(error) = outcome {
            eprintln!("{error:#}");
        }
    }
    Ok(())
}

struct Provisioner {
    api: Api<PersistentVolume>,
    directory: PathBuf,
}

impl Provisioner {
    /// Makes the volume of a claim that waits for one.
    async fn serve(&self, claim: &PersistentVolumeClaim) -> Result<()> {
        let Some(volume) = volume_for(claim, &self.directory) else { return Ok(()) };
        let path = self.path(&volume)?;
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        chown(&path, Some(Uid::from_raw(OWNER)), Some(Gid::from_raw(OWNER)))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770))?;
        match self.api.create(&PostParams::default(), &volume).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => created.map(drop).with_context(|| format!("cannot create volume {}", volume.name_any())),
        }
    }

    /// Removes a volume of ours whose claim is gone.
    async fn reclaim(&self, volume: &PersistentVolume) -> Result<()> {
        if !is_reclaimable(volume) {
            return Ok(());
        }
        let path = self.path(volume)?;
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
        match self.api.delete(&volume.name_any(), &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop).with_context(|| format!("cannot delete volume {}", volume.name_any())),
        }
    }

    /// The volume's directory, which must be one of ours.
    fn path(&self, volume: &PersistentVolume) -> Result<PathBuf> {
        let source =
            volume.spec.as_ref().and_then(|spec| spec.host_path.as_ref()).context("a volume without a directory")?;
        let path = PathBuf::from(&source.path);
        ensure!(path.parent() == Some(&self.directory), "{} is not a directory of ours", path.display());
        Ok(path)
    }
}

/// The volume to make for a claim, or none if the claim is not ours or has one.
fn volume_for(claim: &PersistentVolumeClaim, directory: &Path) -> Option<PersistentVolume> {
    let spec = claim.spec.as_ref()?;
    let pending = claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending");
    let ours = spec.storage_class_name.as_deref() == Some(CLASS) && spec.volume_name.is_none();
    if !pending || !ours || claim.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let name = format!("pvc-{}", claim.uid()?);
    let path = directory.join(&name).to_string_lossy().into_owned();
    Some(PersistentVolume {
        metadata: ObjectMeta {
            name: Some(name),
            annotations: Some(BTreeMap::from([("pv.kubernetes.io/provisioned-by".to_owned(), PROVISIONER.to_owned())])),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: spec.access_modes.clone(),
            capacity: spec.resources.as_ref().and_then(|resources| resources.requests.clone()),
            claim_ref: Some(ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("PersistentVolumeClaim".to_owned()),
                name: claim.metadata.name.clone(),
                namespace: claim.metadata.namespace.clone(),
                uid: claim.metadata.uid.clone(),
                ..ObjectReference::default()
            }),
            host_path: Some(HostPathVolumeSource { path, type_: Some("Directory".to_owned()) }),
            persistent_volume_reclaim_policy: Some("Delete".to_owned()),
            storage_class_name: Some(CLASS.to_owned()),
            ..PersistentVolumeSpec::default()
        }),
        status: None,
    })
}

fn is_reclaimable(volume: &PersistentVolume) -> bool {
    let ours = volume.annotations().get("pv.kubernetes.io/provisioned-by").is_some_and(|by| by == PROVISIONER);
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    ours && policy == Some("Delete") && phase == Some("Released")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim(class: &str, phase: &str) -> PersistentVolumeClaim {
        serde_json::from_value(json!({
            "metadata": {"name": "logs", "namespace": "food", "uid": "u1"},
            "spec": {"storageClassName": class, "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn only_a_pending_claim_of_our_class_gets_a_volume() {
        let directory = Path::new("/volumes");
        assert!(volume_for(&claim("other", "Pending"), directory).is_none());
        assert!(volume_for(&claim(CLASS, "Bound"), directory).is_none());
        let volume = volume_for(&claim(CLASS, "Pending"), directory).unwrap().spec.unwrap();
        assert_eq!(volume.host_path.unwrap().path, "/volumes/pvc-u1");
        assert_eq!(volume.access_modes.unwrap(), ["ReadWriteMany"]);
        assert_eq!(volume.claim_ref.unwrap().uid.unwrap(), "u1");
    }

    #[test]
    fn only_a_released_volume_of_ours_is_removed() {
        let mut volume = volume_for(&claim(CLASS, "Pending"), Path::new("/volumes")).unwrap();
        assert!(!is_reclaimable(&volume));
        volume.status = Some(serde_json::from_value(json!({"phase": "Released"})).unwrap());
        assert!(is_reclaimable(&volume));
        volume.metadata.annotations = None;
        assert!(!is_reclaimable(&volume));
    }
}
