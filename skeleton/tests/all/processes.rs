//! Replicas as separate processes: this program again, running one of its tests that exists only for this.

use std::process::{Child, Command, Stdio};

/// A process that ends with the test.
pub struct Process(Child);

impl Process {
    /// Runs an ignored test, with these variables in addition to those of this process.
    pub fn start(test: &str, variables: &[(String, String)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--ignored", "--nocapture"]);
        command.envs(variables.iter().map(|(name, value)| (name, value))).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Pauses it at any point.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Resumes it.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill {signal} failed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
