//! What is proven, counted and told as libtest does.

use std::sync::Mutex;

use crate::Result;

/// See the module.
#[derive(Default)]
pub(crate) struct Proofs(Mutex<Count>);

#[derive(Default)]
struct Count {
    passed: usize,
    failed: Vec<String>,
}

impl Proofs {
    /// Takes one result.
    pub(crate) fn take(&self, name: &str, result: Result<()>) {
        let mut count = self.0.lock().expect("no panic");
        match result {
            Ok(()) => {
                count.passed += 1;
                eprintln!("test {name} ... ok");
            }
            Err(error) => {
                count.failed.push(name.to_owned());
                eprintln!("test {name} ... FAILED\n    {error}");
            }
        }
    }

    /// Prints libtest's last line, which the test command counts. True if nothing failed and something was proven.
    pub(crate) fn report(&self) -> bool {
        let count = self.0.lock().expect("no panic");
        let (passed, failed) = (count.passed, count.failed.len());
        let status = if failed == 0 && passed > 0 { "ok" } else { "FAILED" };
        for name in &count.failed {
            eprintln!("failed: {name}");
        }
        eprintln!("\ntest result: {status}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
        failed == 0 && passed > 0
    }

    pub(crate) fn failed(&self) -> bool {
        !self.0.lock().expect("no panic").failed.is_empty()
    }
}
