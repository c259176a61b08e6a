//! Panics that are no test's own. An operator takes one for an error of one platform, and tries again, so that they show
//! nowhere else.

use std::{
    mem, panic,
    sync::{Mutex, Once},
};

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on they are seen.
pub(crate) fn look_out() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_a_test_s = panic.location().is_some_and(|at| at.file().contains("tests/api/"));
            if !is_a_test_s {
                SEEN.lock().unwrap().push(panic.to_string());
            }
            told(panic);
        }));
    });
}

/// There were none since it was last asked, in any operator in here.
pub(crate) fn assert_none() {
    let seen = mem::take(&mut *SEEN.lock().unwrap());
    assert!(seen.is_empty(), "an operator panicked: {seen:#?}");
}
