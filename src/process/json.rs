//! A process as JSON: what LTS called JVM info.

use serde_json::{Value, json};

use super::ProcessInfo;

impl ProcessInfo {
    /// As the HTTP commands tell it; spans in milliseconds.
    pub fn to_json(&self) -> Value {
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        json!({
            "time": self.at.to_string(),
            "pid": self.pid,
            "version": self.version,
            "host": self.host,
            "uptime_ms": ms(self.uptime),
            "memory_bytes": self.memory_bytes,
            "memory_peak_bytes": self.memory_peak_bytes,
            "cpu_ms": ms(self.cpu),
            "cpu_cores": self.cpu_cores,
            "threads": self.threads,
            "tasks": self.tasks,
            "open_files": self.open_files,
            "open_files_max": self.open_files_max,
            "machine": {
                "processors": self.machine.processors,
                "cpu_busy": self.machine.cpu_busy,
                "memory_bytes": self.machine.memory_bytes,
                "memory_available_bytes": self.machine.memory_available_bytes,
                "load": self.machine.load,
            },
        })
    }
}
