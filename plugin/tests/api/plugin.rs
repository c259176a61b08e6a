//! The plugin as people run it, and people who may do less.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    api::PostParams,
    config::{AuthInfo, Kubeconfig},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::World;

/// What the plugin said, and what it ended with.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The kubeconfig of somebody who may do everything.
pub(crate) fn kubeconfig() -> PathBuf {
    std::env::var_os("TEST_KUBECONFIG").expect("TEST_KUBECONFIG names the kubeconfig of a control plane").into()
}

impl World {
    /// Runs the plugin in this namespace.
    pub(crate) async fn plugin(&self, arguments: &[&str]) -> Said {
        self.plugin_as(&kubeconfig(), arguments).await
    }

    /// Runs the plugin in this namespace as somebody.
    pub(crate) async fn plugin_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Said {
        let mut command = command(arguments);
        command.args(["--namespace", &self.namespace]).arg("--kubeconfig").arg(kubeconfig);
        run(command).await
    }

    /// Somebody who may do what `rules` say in this namespace, by the kubeconfig that lies in the directory.
    pub(crate) async fn somebody(&self, rules: Value) -> (TempDir, PathBuf) {
        self.create::<ServiceAccount>(json!({ "metadata": { "name": "somebody" } })).await;
        self.create::<Role>(json!({ "metadata": { "name": "somebody" }, "rules": rules })).await;
        self.create::<RoleBinding>(json!({
            "metadata": { "name": "somebody" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "somebody" },
            "subjects": [{ "kind": "ServiceAccount", "name": "somebody", "namespace": self.namespace }],
        }))
        .await;
        let (parameters, request) = (PostParams::default(), TokenRequest::default());
        let token = self.api::<ServiceAccount>().create_token_request("somebody", &parameters, &request).await;
        let token = token.unwrap().status.unwrap().token;
        let mut config = Kubeconfig::read_from(kubeconfig()).unwrap();
        for user in &mut config.auth_infos {
            user.auth_info = Some(AuthInfo { token: Some(token.clone().into()), ..AuthInfo::default() });
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, serde_json::to_string(&config).unwrap()).unwrap();
        (directory, path)
    }
}

/// The plugin with those arguments, and nothing of the environment that would change what it prints.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-foodplatform"));
    command.args(arguments).env_remove("KUBECONFIG").env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
    command
}

/// Runs a command while the operator goes on.
pub(crate) async fn run(mut command: Command) -> Said {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
