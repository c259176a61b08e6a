//! Keys and certificates of a cluster, and the kubeconfigs that use them.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

/// Where a cluster's keys and certificates lie.
#[derive(Debug, Clone)]
pub(crate) struct Pki(PathBuf);

impl Pki {
    /// Makes everything anew, or nothing: the directory takes its name when it is complete. `address` is where the
    /// API server and the kubelet answer.
    pub(crate) fn ensure(directory: &Path, address: IpAddr) -> Result<Self> {
        let pki = Self(directory.to_owned());
        if directory.is_dir() {
            return Ok(pki);
        }
        let parent = directory.parent().context("the root cannot hold keys")?;
        let temporary = tempfile::tempdir_in(parent)?;
        generate(temporary.path(), address)?;
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o700))?;
        fs::rename(temporary.keep(), directory)?;
        Ok(pki)
    }

    pub(crate) fn certificate(&self, name: &str) -> String {
        self.file(&format!("{name}.crt"))
    }

    pub(crate) fn key(&self, name: &str) -> String {
        self.file(&format!("{name}.key"))
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// Writes a kubeconfig for the user whose certificate is `user`.
    pub(crate) fn kubeconfig(&self, path: &Path, server: &str, user: &str) -> Result<()> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority": self.certificate("ca")}}],
            "users": [{"name": user, "user": {"client-certificate": self.certificate(user), "client-key": self.key(user)}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
            "current-context": "local",
        });
        write_private(path, &serde_json::to_string_pretty(&config)?)
    }
}

fn generate(directory: &Path, address: IpAddr) -> Result<()> {
    let authority = Authority::new(directory)?;
    let everywhere = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 96, 0, 1]), address];
    let api_names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    authority.issue(directory, "apiserver", params("kube-apiserver", None), &api_names, &everywhere)?;
    authority.issue(directory, "admin", params("admin", Some("system:masters")), &[], &[])?;
    let kubelet = params("system:node:local", Some("system:nodes"));
    authority.issue(directory, "kubelet", kubelet, &["local"], &everywhere)?;
    authority.issue(directory, "front-proxy", params("front-proxy-client", None), &[], &[])?;

    let accounts = KeyPair::generate()?;
    write_private(&directory.join("service-accounts.key"), &accounts.serialize_pem())?;
    fs::write(directory.join("service-accounts.crt"), accounts.public_key_pem())?;
    Ok(())
}

/// Who vouches for the certificates of a cluster.
pub(crate) struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// A new one. It writes its certificate and key into the directory, as `ca`.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut ca = params("local-ca", None);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = ca.self_signed(&key)?;
        write_pair(directory, "ca", &certificate.pem(), &key)?;
        Ok(Self(Issuer::new(ca, key)))
    }

    /// Writes a certificate for servers and clients, and its key, into the directory under that name.
    pub(crate) fn issue(
        &self,
        directory: &Path,
        name: &str,
        subject: CertificateParams,
        names: &[&str],
        addresses: &[IpAddr],
    ) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut leaf = subject;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf.use_authority_key_identifier_extension = true;
        for dns in names {
            leaf.subject_alt_names.push(SanType::DnsName((*dns).try_into()?));
        }
        leaf.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        write_pair(directory, name, &leaf.signed_by(&key, &self.0)?.pem(), &key)
    }
}

pub(crate) fn params(common_name: &str, organization: Option<&str>) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params
}

fn write_pair(directory: &Path, name: &str, certificate: &str, key: &KeyPair) -> Result<()> {
    fs::write(directory.join(format!("{name}.crt")), certificate)?;
    write_private(&directory.join(format!("{name}.key")), &key.serialize_pem())
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut file = fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
