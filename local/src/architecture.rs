//! The processors that programs and images are made for.

/// A processor's architecture, by what images call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// x86-64, which the machine is that everything is built on.
    Amd64,
    /// 64-bit ARM: AWS Graviton, Apple silicon and the like.
    Arm64,
}

impl Architecture {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Its name among images and in Kubernetes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The compiler's name of what static programs are built for.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}
