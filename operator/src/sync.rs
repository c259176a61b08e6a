//! Locks that a panic elsewhere doesn't close for good.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, for changes that are each complete in themselves: a panic under the lock leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
