//! The mypage service's binary.

use std::process::ExitCode;

/// Small and fast; musl's own allocator is slow with several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chassis::run::<mypage::MyPage>(version::version!())
}
