//! Where values come from: the file, then the environment, then flags; the later layer wins, value by value.
//!
//! The `config` crate merges; each value carries its origin along, so that `config show --effective` can tell it. Only
//! environment names with `__` count, because a Kubernetes Service called `raftsman` puts names such as
//! `RAFTSMAN_SERVICE_HOST` into every container.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ::config::{Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::ConfigError;

const PREFIX: &str = "RAFTSMAN_";
/// Deeper than any setting.
const DEPTH_MAX: usize = 4;

/// What a node is configured with, lowest layer first; the defaults lie below all.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The TOML file; it must exist.
    pub file: Option<PathBuf>,
    /// The process's environment, or what a test says it is.
    pub environment: BTreeMap<String, String>,
    /// What the command line says.
    pub flags: Vec<Flag>,
}

/// A setting that the command line gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// For the origin, such as `--data-dir`.
    pub name: String,
    /// Such as `node.data_dir`.
    pub key: String,
    pub value: String,
}

/// One value of one layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) value: Value,
}

/// A layer in the words of the `config` crate.
#[derive(Clone, Debug)]
struct Layer(Vec<Given>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<::config::Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.iter().map(|given| (given.key.clone(), given.value.clone())).collect())
    }
}

impl Layers {
    /// Everything that was given, in the order of the layers.
    pub(super) fn given(&self) -> Result<Vec<Vec<Given>>, ConfigError> {
        let file = self.file.as_deref().map(from_file).transpose()?.unwrap_or_default();
        let flag = |flag: &Flag| given(flag.key.clone(), flag.value.clone(), format!("flag {}", flag.name));
        Ok(vec![file, from_environment(&self.environment), self.flags.iter().map(flag).collect()])
    }
}

/// The winning value of each key.
pub(super) fn merge(layers: Vec<Vec<Given>>) -> Result<BTreeMap<String, Value>, ConfigError> {
    let keys: Vec<String> = layers.iter().flatten().map(|given| given.key.clone()).collect();
    let merged = layers
        .into_iter()
        .fold(::config::Config::builder(), |builder, layer| builder.add_source(Layer(layer)))
        .build()
        .map_err(|error| ConfigError::Merge(error.to_string()))?;
    let found = keys.into_iter().filter_map(|key| find(&merged.cache, &key).map(|value| (key, value)));
    Ok(found.collect())
}

/// `config` gives values without their origins, so the merged tree is walked here.
fn find(tree: &Value, key: &str) -> Option<Value> {
    key.split('.').try_fold(tree, |at, part| table(at)?.get(part)).cloned()
}

fn table(value: &Value) -> Option<&::config::Map<String, Value>> {
    if let ValueKind::Table(table) = &value.kind { Some(table) } else { None }
}

fn given(key: String, value: impl Into<ValueKind>, origin: String) -> Given {
    Given { key, value: Value::new(Some(&origin), value) }
}

/// `RAFTSMAN_RAFT__HEARTBEAT=100ms` gives `raft.heartbeat`.
fn from_environment(environment: &BTreeMap<String, String>) -> Vec<Given> {
    let settings = environment.iter().filter_map(|(name, value)| {
        let rest = name.strip_prefix(PREFIX)?;
        let key = rest.contains("__").then(|| rest.to_lowercase().replace("__", "."))?;
        Some(given(key, value.clone(), format!("environment {name}")))
    });
    settings.collect()
}

fn from_file(path: &Path) -> Result<Vec<Given>, ConfigError> {
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| ConfigError::File { path: shown.clone(), error })?;
    from_text(&shown, &text)
}

/// What a file at `path` gives that says `text`.
pub(super) fn from_text(path: &str, text: &str) -> Result<Vec<Given>, ConfigError> {
    let document = DeTable::parse(text)
        .map_err(|error| ConfigError::Toml { path: path.to_owned(), problem: error.to_string() })?;
    let mut found = Vec::new();
    flatten(&File { path, text }, "", document.get_ref(), &mut found);
    Ok(found)
}

struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn origin(&self, at: usize) -> String {
        let line = 1 + self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        format!("{}:{line}", self.path)
    }
}

fn flatten(file: &File<'_>, above: &str, table: &DeTable<'_>, found: &mut Vec<Given>) {
    for (name, value) in table {
        let key =
            if above.is_empty() { name.get_ref().to_string() } else { format!("{above}.{}", name.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) if key.split('.').count() < DEPTH_MAX => flatten(file, &key, inner, found),
            leaf => found.push(given(key, kind(leaf), file.origin(name.span().start))),
        }
    }
}

fn kind(value: &DeValue<'_>) -> ValueKind {
    match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Boolean(is) => ValueKind::Boolean(*is),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            read.map_or_else(|_| ValueKind::String(number.to_string()), ValueKind::I64)
        }
        DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Datetime(at) => ValueKind::String(at.to_string()),
        DeValue::Array(items) => {
            ValueKind::Array(items.iter().map(|item| Value::new(None, kind(item.get_ref()))).collect())
        }
        DeValue::Table(_) => ValueKind::Table(::config::Map::new()),
    }
}
