//! The types that a setting can have: how each is read from a layer, and how it is written in the file.
//!
//! The file has types of its own, the environment and flags have only text; each type reads both. A wrong value's problem
//! is a lower-case fragment that says what would be right.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::config::ValueKind;

use crate::domain::Millis;

/// A value of the configuration.
pub(super) trait Setting: Sized {
    /// # Errors
    /// What is wrong with it and what would be right.
    fn read(given: &ValueKind) -> Result<Self, String>;

    /// As it stands in the file.
    fn toml(&self) -> String;
}

/// Whether connections are encrypted; the steps between the ends make turning it on a rolling restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Off,
    Allow,
    Prefer,
    Require,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    Off,
    Token,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    StartTls,
    Tls,
    Plain,
}

/// A number of bytes, written as `64MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    pub const fn mib(mib: u64) -> Size {
        Size(mib << 20)
    }

    /// For code that counts in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exact = SIZE_UNITS.iter().find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        let (name, unit) = exact.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Size, String> {
        let wrong = || format!("is {text:?}; give a size such as 512KiB, 64MiB or 2GiB");
        let (name, unit) = SIZE_UNITS.iter().find(|(name, _)| text.ends_with(name)).ok_or_else(wrong)?;
        let count: u64 = text.trim_end_matches(name).parse().map_err(|_| wrong())?;
        count.checked_mul(*unit).map(Size).ok_or_else(wrong)
    }
}

/// What was given, as a person wrote it.
fn shown(given: &ValueKind) -> String {
    match given {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Table(_) => "a section".into(),
        ValueKind::Array(items) => format!("a list of {}", items.len()),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => given.to_string(),
    }
}

/// The text of a setting that is written as text everywhere.
fn text<'a>(given: &'a ValueKind, right: &str) -> Result<&'a str, String> {
    match given {
        ValueKind::String(text) => Ok(text),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::Table(_)
        | ValueKind::Array(_) => Err(format!("is {}; give {right}", shown(given))),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Setting for String {
    fn read(given: &ValueKind) -> Result<String, String> {
        text(given, "a text in quotes").map(str::to_owned)
    }
    fn toml(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    fn read(given: &ValueKind) -> Result<PathBuf, String> {
        text(given, "a path in quotes").map(PathBuf::from)
    }
    fn toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for Millis {
    fn read(given: &ValueKind) -> Result<Millis, String> {
        let right = "a span such as \"250ms\", \"10s\", \"5m\", \"2h\" or \"7d\"";
        text(given, right)?.parse().map_err(|_| format!("is {}; give {right}", shown(given)))
    }
    fn toml(&self) -> String {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let exact = units.iter().find(|(ms, _)| !self.is_zero() && self.get().is_multiple_of(*ms));
        let (ms, name) = exact.unwrap_or(&(1, "ms"));
        format!("\"{}{name}\"", self.get() / ms)
    }
}

impl Setting for Size {
    fn read(given: &ValueKind) -> Result<Size, String> {
        text(given, "a size such as \"512KiB\", \"64MiB\" or \"2GiB\"")?.parse()
    }
    fn toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for SocketAddr {
    fn read(given: &ValueKind) -> Result<SocketAddr, String> {
        let right = "an IP address and port such as \"127.0.0.1:5870\" or \"[::1]:5870\"";
        text(given, right)?.parse().map_err(|_| format!("is {}; give {right}", shown(given)))
    }
    fn toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for bool {
    fn read(given: &ValueKind) -> Result<bool, String> {
        match given {
            ValueKind::Boolean(is) => Ok(*is),
            ValueKind::String(text) if text == "true" => Ok(true),
            ValueKind::String(text) if text == "false" => Ok(false),
            ValueKind::String(_)
            | ValueKind::Nil
            | ValueKind::I64(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_)
            | ValueKind::Table(_)
            | ValueKind::Array(_) => Err(format!("is {}; give true or false", shown(given))),
        }
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    fn read(given: &ValueKind) -> Result<u64, String> {
        let number = match given {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            ValueKind::U64(number) => Some(*number),
            ValueKind::I128(number) => u64::try_from(*number).ok(),
            ValueKind::U128(number) => u64::try_from(*number).ok(),
            ValueKind::String(text) => text.parse().ok(),
            ValueKind::Nil
            | ValueKind::Boolean(_)
            | ValueKind::Float(_)
            | ValueKind::Table(_)
            | ValueKind::Array(_) => None,
        };
        number.ok_or_else(|| format!("is {}; give a whole number from 0", shown(given)))
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for Vec<String> {
    /// A list of texts, or one text with commas.
    fn read(given: &ValueKind) -> Result<Vec<String>, String> {
        match given {
            ValueKind::Array(items) => items.iter().map(|item| String::read(&item.kind)).collect(),
            ValueKind::String(text) if text.trim().is_empty() => Ok(Vec::new()),
            ValueKind::String(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
            ValueKind::Nil
            | ValueKind::Boolean(_)
            | ValueKind::I64(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_)
            | ValueKind::Table(_) => {
                Err(format!("is {}; give a list such as [\"n1:5871\", \"n2:5871\"]", shown(given)))
            }
        }
    }
    fn toml(&self) -> String {
        format!("[{}]", self.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
    }
}

macro_rules! word {
    ($type:ident { $($word:literal $variant:ident),* }) => {
        impl Setting for $type {
            fn read(given: &ValueKind) -> Result<$type, String> {
                let right = [$(concat!('"', $word, '"')),*].join(" or ");
                match text(given, &right)? {
                    $($word => Ok($type::$variant),)*
                    _ => Err(format!("is {}; give {right}", shown(given))),
                }
            }
            fn toml(&self) -> String {
                match self { $($type::$variant => concat!('"', $word, '"').into()),* }
            }
        }
    };
}

word!(TlsMode { "off" Off, "allow" Allow, "prefer" Prefer, "require" Require });
word!(AuthMode { "off" Off, "token" Token });
word!(SmtpSecurity { "starttls" StartTls, "tls" Tls, "plain" Plain });
word!(LogFormat { "text" Text, "json" Json });

#[cfg(test)]
mod tests {
    use super::*;

    fn read<S: Setting>(text: &str) -> Result<String, String> {
        S::read(&ValueKind::String(text.into())).map(|setting| setting.toml())
    }

    #[test]
    fn what_is_written_in_the_file_reads_back() {
        assert_eq!(read::<Millis>("90s"), Ok("\"90s\"".into()));
        assert_eq!(read::<Millis>("600s"), Ok("\"10m\"".into()));
        assert_eq!(read::<Millis>("0s"), Ok("\"0ms\"".into()));
        assert_eq!(read::<Size>("1024KiB"), Ok("\"1MiB\"".into()));
        assert_eq!(read::<Size>("1000B"), Ok("\"1000B\"".into()));
        assert_eq!(read::<Vec<String>>("a:1, b:2"), Ok("[\"a:1\", \"b:2\"]".into()));
        assert_eq!(read::<TlsMode>("prefer"), Ok("\"prefer\"".into()));
        assert_eq!(read::<SocketAddr>("[::1]:5870"), Ok("\"[::1]:5870\"".into()));
        assert_eq!(read::<PathBuf>("C:\\\"x\""), Ok("\"C:\\\\\\\"x\\\"\"".into()));
    }

    #[test]
    fn a_wrong_value_is_told_what_would_be_right() {
        expect_test::expect![[r#"
            is "soon"; give a span such as "250ms", "10s", "5m", "2h" or "7d"
            is 10; give a span such as "250ms", "10s", "5m", "2h" or "7d"
            is "64MB"; give a size such as 512KiB, 64MiB or 2GiB
            is "99999999999GiB"; give a size such as 512KiB, 64MiB or 2GiB
            is "localhost"; give an IP address and port such as "127.0.0.1:5870" or "[::1]:5870"
            is -1; give a whole number from 0
            is "yes"; give true or false
            is "on"; give "off" or "token""#]]
        .assert_eq(
            &[
                read::<Millis>("soon").unwrap_err(),
                Millis::read(&ValueKind::I64(10)).unwrap_err(),
                read::<Size>("64MB").unwrap_err(),
                read::<Size>("99999999999GiB").unwrap_err(),
                read::<SocketAddr>("localhost").unwrap_err(),
                u64::read(&ValueKind::I64(-1)).unwrap_err(),
                read::<bool>("yes").unwrap_err(),
                read::<AuthMode>("on").unwrap_err(),
            ]
            .join("\n"),
        );
    }
}
